"""What is kept of the results, and how Prometheus reads it."""
