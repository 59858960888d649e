"""Recording rules and alerts, defined once and written out for Prometheus and for Grafana's own alerting."""
