"""The program `mail-exporter`, which `python -m exporter` is too."""

import os
import sys


def main() -> None:
    """Run the command that the arguments name."""
    try:
        from exporter.interrupts import INTERRUPTED, leave_on_interrupt  # noqa: PLC0415 - Ctrl-C may come as it loads

        leave_on_interrupt()
        from exporter.cli import main as command  # noqa: PLC0415 - takes longer
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        command(prog_name="mail-exporter")
    except SystemExit as end:
        # Python would change two exit codes: to 120 if the output is full, and to death by SIGINT if Ctrl-C came within
        # an `exec`, such as that of a dataclass.
        if isinstance(end.code, int) and (not _flushed() or end.code == INTERRUPTED):
            os._exit(end.code)
        raise


def _flushed() -> bool:
    """Whether all output could be written, or there is nowhere to write it to."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
