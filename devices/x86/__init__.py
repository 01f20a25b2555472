"""The processor of PCs and what belongs to it."""
