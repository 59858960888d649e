"""The option `--version`, which every command has."""

from __future__ import annotations

from typing import Final

import click

from exporter import __version__

version_option: Final = click.version_option(__version__, prog_name="mail-exporter")
