"""The metrics: one row each, by what they are about. `metric.py` says what a row is.

A row only reads a state, which is kept in the room around this one. The names are an interface (docs/metrics.md).
"""
