"""From a YAML file to endpoints."""
