"""Grafana dashboards and alerts for mail-exporter, and the code that generates them: `python -m dashboards`.

Development only: the daemon neither imports nor ships any of this. What is generated stands beside the code and is
committed: the dashboards as `mail-*.json`, the rules below `alerts/`.
"""
