"""The phases of a probe, why it may fail, and why it may not start.

These closed sets are used by metrics, pages and docs/failures.md. `results` has the results of one probe.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The steps of a probe, in the order in which a client goes through them."""

    DNS = "dns"
    CONNECT = "connect"
    GREETING = "greeting"
    CAPABILITY = "capability"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    CHECK = "check"
    QUIT = "quit"


class FailureReason(StrEnum):
    """Why a probe failed. A closed set: each member has a section in docs/failures.md."""

    DNS_NOT_FOUND = "dns_not_found"
    DNS_FAILED = "dns_failed"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_UNREACHABLE = "connect_unreachable"
    CONNECT_FAILED = "connect_failed"
    CONNECTION_CLOSED = "connection_closed"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT = "timeout"
    TLS_HANDSHAKE_FAILED = "tls_handshake_failed"
    TLS_CERTIFICATE_EXPIRED = "tls_certificate_expired"
    TLS_CERTIFICATE_NOT_YET_VALID = "tls_certificate_not_yet_valid"
    TLS_NAME_MISMATCH = "tls_name_mismatch"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_CERTIFICATE_INVALID = "tls_certificate_invalid"
    STARTTLS_NOT_OFFERED = "starttls_not_offered"
    STARTTLS_REFUSED = "starttls_refused"
    STARTTLS_INJECTION = "starttls_injection"
    SERVER_REFUSED = "server_refused"
    SERVER_BUSY = "server_busy"
    COMMAND_REFUSED = "command_refused"
    PROTOCOL_ERROR = "protocol_error"
    RESPONSE_TOO_LARGE = "response_too_large"
    AUTH_REJECTED = "auth_rejected"
    AUTH_UNAVAILABLE = "auth_unavailable"
    AUTH_MECHANISM_NOT_OFFERED = "auth_mechanism_not_offered"
    AUTH_INSECURE = "auth_insecure"
    AUTH_DISABLED = "auth_disabled"
    TOKEN_FAILED = "token_failed"  # noqa: S105 - the name of a failure, not a secret
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - the name of a failure, not a secret
    CAPABILITY_MISSING = "capability_missing"
    MAILBOX_UNAVAILABLE = "mailbox_unavailable"
    RECIPIENT_REFUSED = "recipient_refused"
    RECIPIENT_ACCEPTED = "recipient_accepted"
    INTERNAL_ERROR = "internal_error"


class LongTask(StrEnum):
    """Background tasks of the daemon: label `task` of `mail_exporter_task_failures_total`."""

    SCHEDULE = "schedule"
    """Starts probes."""
    LAG = "lag"
    """Measures how late the event loop is."""
    CONFIG_WATCH = "config_watch"
    """Looks for changes of the configuration."""
    WEB_CONFIG = "web_config"
    """Looks for changes of the web configuration."""
    ACCEPT = "accept"
    """Accepts connections of HTTP clients."""
    WATCHDOG = "watchdog"
    """Tells systemd that the event loop runs."""
    HISTORY = "history"
    """Writes the file of `--history.file`."""
    MEMORY = "memory"
    """Collects garbage when no probe is disturbed by it."""


class SkipReason(StrEnum):
    """Why a probe that was due was not started: label `reason` of `mail_exporter_probes_skipped_total`."""

    OVERLAP = "overlap"
    """Its predecessor was still running."""
    CONCURRENCY = "concurrency"
    """The limit of concurrent probes was reached."""
    HOST = "host"
    """The limit of connections to its host was reached."""
    LATE = "late"
    """Its whole interval passed while this process was suspended or stalled."""
