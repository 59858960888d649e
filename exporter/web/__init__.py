"""The HTTP interface: it only reads."""
