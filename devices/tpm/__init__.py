"""Trusted platform modules."""
