"""Why a connection failed: errors of the system, OpenSSL and the buffer, translated to failure reasons.

All exceptions of a stream come from here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Final

from exporter.model import FailureReason
from exporter.net.buffer import OverflowingError
from exporter.net.tls import alerts
from exporter.protocol.dialogue import unfinished

CONNECT_ERRORS: Final[Mapping[int, FailureReason]] = {
    errno.ECONNREFUSED: FailureReason.CONNECT_REFUSED,
    # It was accepted, and torn down before we looked.
    errno.ECONNRESET: FailureReason.CONNECTION_RESET,
    errno.EPIPE: FailureReason.CONNECTION_RESET,
    errno.ECONNABORTED: FailureReason.CONNECTION_RESET,
    errno.ENETUNREACH: FailureReason.CONNECT_UNREACHABLE,
    errno.EHOSTUNREACH: FailureReason.CONNECT_UNREACHABLE,
    errno.ENETDOWN: FailureReason.CONNECT_UNREACHABLE,
    errno.EHOSTDOWN: FailureReason.CONNECT_UNREACHABLE,
    errno.ETIMEDOUT: FailureReason.TIMEOUT,
}

LOSSES: Final[Mapping[int, FailureReason]] = {
    errno.ECONNRESET: FailureReason.CONNECTION_RESET,
    errno.EPIPE: FailureReason.CONNECTION_RESET,
    errno.ECONNABORTED: FailureReason.CONNECTION_RESET,
    errno.ETIMEDOUT: FailureReason.TIMEOUT,
    errno.EHOSTUNREACH: FailureReason.CONNECT_UNREACHABLE,
    errno.ENETUNREACH: FailureReason.CONNECT_UNREACHABLE,
}

CLOSED: Final = "the server closed the connection"


class StreamError(OSError):
    """The connection cannot be made, or failed. The one family of exceptions that a stream raises.

    Attributes:
        reason: Which of the closed set.
        detail: For people.
    """

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def not_connected(error: OSError) -> StreamError:
    """Why a connection could not be made."""
    if isinstance(error, StreamError):
        return error
    reason = CONNECT_ERRORS.get(error.errno or 0, FailureReason.CONNECT_FAILED)
    return StreamError(reason, error.strerror or str(error))


def translated(error: Exception) -> StreamError:
    """An error of OpenSSL, the system or the buffer as a `StreamError`."""
    match error:
        case StreamError():
            return error
        case OverflowingError():
            return StreamError(FailureReason.RESPONSE_TOO_LARGE, f"the server sent {error}")
        case OSError(errno=int(number)) if number in LOSSES:
            return StreamError(LOSSES[number], os.strerror(number))
        case OSError():
            return StreamError(FailureReason.CONNECTION_CLOSED, f"the connection broke: {error.strerror or error}")
        case _:
            bad = alerts.is_over_a_certificate(error)
            reason = FailureReason.TLS_CERTIFICATE_INVALID if bad else FailureReason.TLS_HANDSHAKE_FAILED
            return StreamError(reason, alerts.handshake_failure(error))


def broken_off(end: StreamError, left: bytes, *, in_content: bool) -> StreamError:
    """Why no more data comes, with the incomplete line that was received, unless it is part of a message."""
    if in_content:
        return StreamError(end.reason, f"{end.detail} in the middle of a message")
    return StreamError(end.reason, end.detail + (f" after {unfinished(left)}, in the middle of a line" if left else ""))
