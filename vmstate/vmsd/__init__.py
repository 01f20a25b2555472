"""Descriptions: `VMStateDescription`, the vocabulary, expressions, states and paths."""
