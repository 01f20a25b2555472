"""USB controllers and devices."""
