"""The web configuration (`--web.config.file`): who may ask, and over which TLS. From a file to values and a context.

No request is seen here: `exporter.web.serving` acts on these values.
"""
