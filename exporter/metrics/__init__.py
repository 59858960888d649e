"""The store of results, and the metrics for Prometheus.

`store.py` keeps a state of each thing, `history/` what an endpoint was like before, and `rows/` has a row for each
metric. `exposition.py` writes them out. Nothing here waits, and the time is an argument.
"""
