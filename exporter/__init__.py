"""Probes SMTP, POP3 and IMAP servers the way a mail client does, and gives Prometheus the latency of every step."""

__version__ = "0.1.0"
