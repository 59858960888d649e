"""Draws the dashboards with Grafana's own front-end packages, for docs/images. Development only."""
