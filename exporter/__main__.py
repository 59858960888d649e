"""The program `mail-exporter`, which `python -m exporter` is too."""

import sys


def main() -> None:
    """Run the command that the arguments name."""
    try:
        from exporter.interrupts import leave_on_interrupt  # noqa: PLC0415 - Ctrl-C may come as it is imported

        leave_on_interrupt()
        from exporter.cli import main as command  # noqa: PLC0415 - takes longer
    except KeyboardInterrupt:
        sys.exit(130)
    command(prog_name="mail-exporter")


if __name__ == "__main__":
    main()
