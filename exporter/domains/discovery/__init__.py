"""Find the servers that a domain publishes, source by source, and turn them into endpoints."""
