"""POWER: what `pseries` has."""
