"""How log lines are written: logfmt or JSON, one line each, to standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import structlog
from structlog.typing import Processor


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
"""What every line begins with, in either format."""

_RENDERERS: Final[Mapping[LogFormat, Processor]] = {
    LogFormat.LOGFMT: structlog.processors.LogfmtRenderer(bool_as_flag=False),
    LogFormat.JSON: structlog.processors.JSONRenderer(),
}


def configure(level: LogLevel, log_format: LogFormat) -> None:
    """Set up logging for the whole process, libraries that use the standard library's included."""
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
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _RENDERERS[log_format]],
        )
    )
    logging.basicConfig(level=max(_LEVELS[level], logging.INFO), handlers=[handler], force=True)


def _in_order(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: event[key] for key in _FIRST} | dict(event)


def _prometheus_level(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Prometheus and its exporters write `warn`, and so do their users' log queries."""
    if event.get("level") == "warning":
        event["level"] = LogLevel.WARN.value
    return event
