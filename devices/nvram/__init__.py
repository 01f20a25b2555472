"""Memory that keeps its contents, and firmware configuration."""
