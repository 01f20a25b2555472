"""Block devices without a bus of their own."""
