"""Grafana dashboards and alert rules for mail-exporter, and the code that generates them."""
