"""The processor of Arm machines and what belongs to it."""
