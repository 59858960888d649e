"""The store of results, and the metrics for Prometheus."""
