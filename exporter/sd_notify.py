"""Notifies systemd of the daemon's state: sd_notify(3), for units with `Type=notify` or `Type=notify-reload`.

Each message is one datagram to the socket that `NOTIFY_SOCKET` names, so it costs some microseconds and never waits.
Where that variable is not set, as in a container or a shell, nothing happens. What the states are told for, and when,
is the composition root's business.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Final

import structlog

SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"

WATCHDOG_VARIABLE: Final = "WATCHDOG_USEC"
"""Microseconds within which systemd wants to hear something; half of that is what sd_watchdog_enabled(3) recommends."""

PROCESS_VARIABLE: Final = "WATCHDOG_PID"

log = structlog.get_logger()


def ready(status: str) -> None:
    """The daemon serves, with the configuration that is in force from now on: at its start, and after each reload.

    Args:
        status: One line for `systemctl status`.
    """
    _tell("READY=1", f"STATUS={status}")


def reloading() -> None:
    """The configuration is being reloaded. `ready` has to follow, even after a failure."""
    # systemd tells this reload from an earlier one by when it began, on the clock that both sides read alike.
    _tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping() -> None:
    """The daemon is about to end."""
    _tell("STOPPING=1")


async def keep_alive() -> None:
    """Notify systemd regularly that the event loop runs, for units with `WatchdogSec=`."""
    asked, of = os.environ.get(WATCHDOG_VARIABLE, ""), os.environ.get(PROCESS_VARIABLE, "")
    if not asked.isdecimal() or (of and of != str(os.getpid())):
        return
    while True:
        _tell("WATCHDOG=1")
        await asyncio.sleep(int(asked) / 1e6 / 2)


def _tell(*assignments: str) -> None:
    address = os.environ.get(SOCKET_VARIABLE)
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"  # unix(7): an abstract name begins with a null byte
    # A line feed would end the assignment and begin another.
    message = "\n".join(one.replace("\n", " ") for one in assignments).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
            sender.sendto(message, address)
    except OSError as error:
        # The daemon works without the notification; systemd logs what it misses.
        log.warning("cannot notify systemd", state=assignments[0], error=str(error))
