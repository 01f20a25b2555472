"""Comparing: two streams (diff), two schemas (compat)."""
