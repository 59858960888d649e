"""Requests to web servers: documents of mail domains, and tokens for logins.

The HTTP interface of this program is in `exporter.web`.
"""
