"""What `mail-exporter probe` prints for a result, on terminals of every kind and on none."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rich.console import Console

from exporter.cli import COMMANDS, main
from exporter.cli.terminal import UNFOLDED, output, print_rows
from exporter.cli.waterfall import BAR_WIDTH, MAX_NAMES, print_result
from exporter.model import Encryption, Phase, ProbeResult, Protocol
from tests.unit import results


def printed(result: ProbeResult, *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    octets = io.BytesIO()
    file = io.TextIOWrapper(octets, encoding=encoding, errors="backslashreplace")
    endpoint = results.endpoint(result.endpoint, Protocol.SMTP, encryption=Encryption.STARTTLS)
    print_result(Console(file=file, width=width, highlight=False), endpoint, result)
    file.flush()
    return octets.getvalue().decode(encoding).splitlines()


def bars(lines: list[str]) -> list[str]:
    """The lines of the waterfall: between the first two blank ones."""
    first = lines.index("")
    return lines[first + 1 : lines.index("", first + 1)]


def test_every_phase_has_its_time_and_a_bar_where_it_began() -> None:
    spans = results.spans((Phase.CONNECT, 0.025), (Phase.GREETING, 0.0), (Phase.AUTH, 0.05), (Phase.QUIT, 0.025))

    shown = bars(printed(results.success(spans=spans, duration=0.1)))

    assert [
        "  connect   25.0 ms  ██████████",
        "  greeting   0.0 ms            ▏",
        "  auth      50.0 ms            ████████████████████",
        "  quit      25.0 ms                                ██████████",
    ] == shown


def test_no_line_ends_with_blanks_and_none_is_wider_than_the_screen() -> None:
    for width in (80, 60, 44):
        lines = printed(results.success(), width=width)
        table = lines[lines.index("") :]

        assert [] == [line for line in table if line != line.rstrip() or len(line) > width]


def test_a_narrow_screen_gets_shorter_bars_and_keeps_the_words() -> None:
    shown = bars(printed(results.success(), width=44))

    assert [span.phase for span in results.ALL_PHASES] == [line.split()[0] for line in shown]
    assert max(map(len, shown)) <= 44


def test_what_is_not_a_screen_folds_nothing() -> None:
    lines = printed(results.success(), width=UNFOLDED)

    (capabilities,) = (line for line in lines if line.strip().startswith("capabilities"))
    assert capabilities.endswith(", ".join(results.CAPABILITIES[Protocol.SMTP]))
    assert BAR_WIDTH >= max(len(line.split("ms", 1)[1].strip()) for line in bars(lines))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_bars_are_plain_where_blocks_cannot_be_printed(encoding: str) -> None:
    spans = results.spans((Phase.CONNECT, 0.05), (Phase.QUIT, 0.05))

    shown = bars(printed(results.success(spans=spans, duration=0.1), encoding=encoding))

    assert [
        "  connect  50.0 ms  ####################",
        "  quit     50.0 ms                      ####################",
    ] == shown


def test_a_subject_that_cannot_be_printed_is_escaped_and_no_reason_to_fail() -> None:
    leaf = results.certificate("CN=Müller")

    assert "  certificate   CN=M\\xfcller" in printed(results.success(tls=results.tls(leaf=leaf)), encoding="ascii")


def test_of_many_names_the_first_are_listed() -> None:
    names = tuple(f"{number}.example.com" for number in range(MAX_NAMES + 190))
    leaf = replace(results.certificate(), names=names)

    (line,) = (
        line for line in printed(results.success(tls=results.tls(leaf=leaf)), width=UNFOLDED) if " for 0." in line
    )

    assert f"for {', '.join(names[:MAX_NAMES])} and 190 more" == line.strip()


def test_standard_output_takes_whatever_a_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = io.BytesIO()
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(octets, encoding="ascii"))

    console = output()
    print_rows(console, [("a", "ü " * 100)])
    sys.stdout.flush()

    assert UNFOLDED == console.width
    assert b"  a  " + b"\\xfc " * 99 + b"\\xfc\n" == octets.getvalue()


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_every_command_says_its_version(command: list[str]) -> None:
    said = CliRunner().invoke(main, [*command, "--version"])

    assert (0, "mail-exporter, version ") == (said.exit_code, said.stdout[:23])
