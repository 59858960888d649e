"""What shells and readers of manual pages get from the commands."""

from __future__ import annotations

from itertools import pairwise

import click
import pytest
from click.testing import CliRunner

from exporter.cli import COMMANDS, main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])

    assert 0 == result.exit_code
    assert "_MAIL_EXPORTER_COMPLETE" in result.stdout
    # Help has commas.
    assert ('string split --max 1 ","' in result.stdout) == (shell == "fish")


def test_the_manual_page_tells_every_command_with_its_options_and_the_exit_codes() -> None:
    result = CliRunner().invoke(main, ["man"])

    lines = result.stdout.splitlines()
    assert 0 == result.exit_code
    assert lines[0].startswith('.TH MAIL\\-EXPORTER 1 ""')
    for name in COMMANDS:
        assert any(line.startswith(f".SS {name}") for line in lines), name
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for option in (option for parameter in command.params for option in parameter.opts if option.startswith("--")):
            assert any(option.replace("-", "\\-") in line for line in lines), option
    assert ".SH EXIT STATUS" in lines
    assert not [line for line in lines if line.startswith("'")]
    # A paragraph begins by itself after a heading, and every item has a text.
    assert not [line for line, following in pairwise(lines) if line.startswith(".SS") and following == ".PP"]
    assert not [lines[number + 1] for number, line in enumerate(lines) if line == ".TP" and lines[number + 2][0] == "."]
