"""The names of the labels that metrics have of their own, which a configured label cannot take."""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """A closed set: each row of a metric names its labels from here. Two series differ in nothing else."""

    ENDPOINT = "endpoint"
    PROTOCOL = "protocol"
    ADDRESS = "address"
    HOST = "host"
    PORT = "port"
    ENCRYPTION = "encryption"
    PROVIDER = "provider"
    PRIORITY = "priority"
    PHASE = "phase"
    REASON = "reason"
    MECHANISM = "mechanism"
    MAILBOX = "mailbox"
    ERROR = "error"
    VERSION = "version"
    CIPHER = "cipher"
    GROUP = "group"
    SUBJECT = "subject"
    ISSUER = "issuer"
    SERIAL = "serial"
    FINGERPRINT_SHA256 = "fingerprint_sha256"
    KEY = "key"
    SIGNATURE = "signature"
    LE = "le"
    CREDENTIALS = "credentials"
    OUTCOME = "outcome"
    PYTHON_VERSION = "python_version"
    OPENSSL_VERSION = "openssl_version"
