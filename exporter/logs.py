"""How log lines are written: logfmt or JSON, one line each, to standard error.

Logging never waits for a reader and never raises; see `log_sink`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import structlog
from structlog.typing import Processor

from exporter.log_sink import LogSink

STANDARD_ERROR: Final = 2
"""The descriptor and not `sys.stderr`, which may block and may be closed by other code."""


class LogFormat(StrEnum):
    """The formats of `--log.format`."""

    LOGFMT = "logfmt"
    JSON = "json"


class LogLevel(StrEnum):
    """The levels of `--log.level`."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


_LEVELS: Final[Mapping[LogLevel, int]] = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}

_FIRST: Final = ("ts", "level", "msg")
"""The first fields of every line, in both formats."""

_RENDERERS: Final[Mapping[LogFormat, Processor]] = {
    LogFormat.LOGFMT: structlog.processors.LogfmtRenderer(bool_as_flag=False),
    LogFormat.JSON: structlog.processors.JSONRenderer(),
}


_NOISY: Final = ("watchfiles",)
"""Libraries that log their ordinary work, such as every change in a directory, which may contain the log."""


class _Handler(logging.Handler):
    """Handles the log records of libraries."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a library's record that cannot be formatted must not make us fail
            self._sink.dropped += 1
        else:
            self._sink.put(line)


class _Logger:
    """The logger that structlog writes to; it has a method for each level."""

    def __init__(self, sink: LogSink) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.msg = sink.put


_sink: LogSink | None = None


def dropped() -> int:
    """How many lines were dropped since logging was set up."""
    return 0 if _sink is None else _sink.dropped


def configure(level: LogLevel, log_format: LogFormat) -> None:
    """Set up logging for the whole process, libraries that use the standard library's included."""
    global _sink  # noqa: PLW0603 - like standard error itself, there is one for the process
    _take_standard_descriptors()
    _sink = sink = LogSink(_standard_error())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        _prometheus_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        # Plain tracebacks: no values of local variables, which may be secrets.
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("msg"),
        _in_order,
    ]
    structlog.configure(
        processors=[*shared, _RENDERERS[log_format]],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Logger(sink),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _RENDERERS[log_format]],
        )
    )
    logging.basicConfig(level=max(_LEVELS[level], logging.INFO), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _take_standard_descriptors() -> None:
    """Opens closed standard descriptors. Otherwise the next connection would get their number, and the log."""
    for descriptor in range(STANDARD_ERROR + 1):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _standard_error() -> int:
    """The descriptor for lines; none if it was closed from the start, because a library may use its number now."""
    return os.open(os.devnull, os.O_WRONLY) if sys.__stderr__ is None else STANDARD_ERROR


def _in_order(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: event[key] for key in _FIRST} | dict(event)


def _prometheus_level(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Prometheus and its exporters write `warn`, and so do their users' log queries."""
    if event.get("level") == "warning":
        event["level"] = LogLevel.WARN.value
    return event
