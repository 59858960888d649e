"""What `mail-exporter probe` does with targets, rounds and results, against servers of its own process's demo kind."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types of its own
from rich.console import Console

from exporter.cli import main
from exporter.cli.documentation_url import documentation_root, reason_url
from exporter.cli.probe_json import schema
from exporter.cli.progress import SHOWN, Progress
from exporter.cli.report import print_failures, print_line, print_side_by_side, print_statistics
from exporter.cli.statistics import TOTAL, Spread, Statistics
from exporter.model import FailureReason, Phase, ProbeResult
from tests.unit.results import failure, spans, success

VALIDATOR = Draft202012Validator(schema())
REFUSED = FailureReason.CONNECT_REFUSED


@pytest.fixture
def closed() -> Iterator[str]:
    """A URL at which nothing answers: the port is taken, and not listened at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"imaps://127.0.0.1:{taken.getsockname()[1]}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["probe", *arguments, "--web.external-url=https://mail.test/exporter"])


def documents(result: Result) -> list[dict[str, object]]:
    """The objects that were printed, each of which has to be as the schema says."""
    decoder, text, found = json.JSONDecoder(), result.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        VALIDATOR.validate(document)
        found.append(document)
        text = text[end:].strip()
    return found


def test_a_target_that_fails_ends_with_what_to_read(closed: str) -> None:
    result = run(closed)

    assert 1 == result.exit_code
    assert "https://mail.test/exporter/docs/failures#connect_refused" == result.stdout.splitlines()[-1]
    assert 2 == result.stdout.count("connect_refused in connect") + result.stdout.count("failures#connect_refused")


def test_several_targets_are_probed_at_once_and_each_reason_is_explained_once(closed: str) -> None:
    other = closed.replace("127.0.0.1", "127.0.0.2")

    result = run(closed, other)

    assert 1 == result.exit_code
    assert closed in result.stdout
    assert other in result.stdout
    assert 1 == result.stdout.count("https://")


def test_the_result_as_json_follows_the_published_schema(closed: str) -> None:
    (document,) = documents(run(closed, "--json"))

    assert ("probe", closed, False) == (document["type"], document["endpoint"], document["success"])


def test_several_rounds_end_with_statistics(closed: str) -> None:
    found = documents(run(closed, "--json", "--repeat=3", "--interval=1ms"))
    shown = run(closed, "--repeat=3", "--interval=1ms")

    assert ["probe", "probe", "probe", "statistics"] == [each["type"] for each in found]
    assert f"{closed}  3 probes, 0 succeeded" in shown.stdout
    assert "3 failed: connect_refused in connect" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "why", "says"),
    [
        (("nope",), 2, "usage", "'nope' is not a URL"),
        (("http://mail.example.com",), 2, "usage", "http"),
        (("imaps://mail.example.com", "--config.file=/nowhere.yaml"), 3, "configuration", "/nowhere.yaml"),
    ],
)
def test_what_could_not_be_tried_is_said_in_json_too(arguments: Sequence[str], code: int, why: str, says: str) -> None:
    result = run(*arguments, "--json")
    (document,) = documents(result)

    assert (code, "not_tried", why) == (result.exit_code, document["type"], document["why"])
    assert says in str(document["problems"])
    assert says in result.stderr


def test_an_invalid_configuration_exits_3(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("endpoints: [{}]\nunknown: 1\n")

    result = run("mx", f"--config.file={file}")

    assert (3, "") == (result.exit_code, result.stdout)
    assert f"{file}:2:" in result.stderr


def test_a_bug_exits_3(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("our bug")

    monkeypatch.setattr("exporter.cli.probe.probe_rounds", broken)

    result = run(closed, "--json")

    assert 3 == result.exit_code
    assert '"why": "bug"' in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("imaps://a.test", "--watch", "--repeat=2"),
        ("imaps://a.test", "--repeat=0"),
        ("imaps://a.test", "--interval=fast"),
        ("imaps://a.test", "--interval=25h"),
    ],
)
def test_wrong_usage_exits_2(arguments: Sequence[str]) -> None:
    assert 2 == run(*arguments).exit_code


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([2.0], Spread(1, 2.0, 2.0, 2.0, 2.0)),
        ([4.0, 1.0, 3.0], Spread(3, 1.0, 3.0, 4.0, 4.0)),
        ([1.0, 2.0, 3.0, 4.0], Spread(4, 1.0, 2.5, 4.0, 4.0)),
        ([float(number) for number in range(1, 101)], Spread(100, 1.0, 50.5, 95.0, 100.0)),
    ],
)
def test_durations_are_summed_up(durations: Sequence[float], expected: Spread) -> None:
    assert expected == Spread.of(durations)


def test_statistics_count_failures_by_kind_and_measure_successes() -> None:
    probes = [success(duration=0.1, spans=spans((Phase.CONNECT, 0.1))), success(duration=0.3, spans=())]
    failed = failure(FailureReason.TIMEOUT, Phase.TLS)

    found = Statistics.of([*probes, failed, failed])

    assert (4, 2, {(FailureReason.TIMEOUT, Phase.TLS): 2}) == (found.probes, found.succeeded, found.failures)
    assert [Phase.CONNECT, TOTAL] == list(found.spreads)
    assert 2 == found.spreads[TOTAL].count
    assert pytest.approx(0.2) == found.spreads[TOTAL].median


def printed(width: int, *shown: ProbeResult) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_side_by_side(console, shown)
    urls = {each.failure.reason: f"https://x.test/{each.failure.reason}" for each in shown if each.failure}
    print_failures(console, shown, urls, named=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


BOTH = (
    success("imaps://a.test", duration=0.25, spans=spans((Phase.DNS, 0.05), (Phase.TLS, 0.2))),
    failure(
        FailureReason.TIMEOUT,
        Phase.TLS,
        "imaps://b.test",
        "no reply within 5 s",
        spans=spans((Phase.TLS, 5.0)),
        duration=5.0,
    ),
)


def test_targets_stand_side_by_side_with_a_column_for_each_phase() -> None:
    assert [
        "                           total      dns     tls",
        "  ok      imaps://a.test  250 ms  50.0 ms  200 ms",
        "  failed  imaps://b.test  5.00 s           5.00 s",
        "",
        "imaps://b.test timeout in tls: no reply within 5 s",
        "https://x.test/timeout",
    ] == printed(80, *BOTH)


def test_on_a_narrow_screen_targets_stand_below_each_other_and_lines_break_at_words() -> None:
    assert [
        "ok imaps://a.test  250 ms",
        "  dns 50.0 ms, tls 200 ms",
        "failed imaps://b.test  5.00 s",
        "  tls 5.00 s",
        "",
        "imaps://b.test timeout in tls: no",
        "reply within 5 s",
        "https://x.test/timeout",
    ] == printed(36, *BOTH)


def test_one_probe_of_many_takes_one_line() -> None:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    print_line(console, BOTH[1], width=20)
    print_statistics(console, "imaps://a.test", Statistics.of([BOTH[0]]))
    assert isinstance(console.file, io.StringIO)

    assert [
        "2026-09-21 14:13:25 UTC  imaps://b.test            5.00 s  failed timeout in tls",
        "",
        "imaps://a.test  1 probe, 1 succeeded",
        "             min   median      p95      max",
        "  dns    50.0 ms  50.0 ms  50.0 ms  50.0 ms",
        "  tls     200 ms   200 ms   200 ms   200 ms",
        "  total   250 ms   250 ms   250 ms   250 ms",
    ] == console.file.getvalue().splitlines()


def test_while_one_waits_the_phase_of_each_probe_is_told() -> None:
    now = [100.0]
    progress = Progress(lambda: now[0])
    console = Console(file=io.StringIO(), width=80)
    with progress.probing("a"), progress.probing("b"):
        progress.entered("a", Phase.TLS)
        progress.entered("gone", Phase.TLS)
        now[0] += 2.5
        console.print(progress.rendered())
    console.print(progress.rendered())
    assert isinstance(console.file, io.StringIO)

    assert ["a  tls for 2.5 s  (2.5 s in all)", "b  starting for 2.5 s  (2.5 s in all)"] == (
        console.file.getvalue().splitlines()[:2]
    )


def test_of_very_many_probes_the_first_are_told() -> None:
    progress = Progress(lambda: 0.0)
    console = Console(file=io.StringIO(), width=80)
    stack = ExitStack()
    for number in range(SHOWN + 3):
        stack.enter_context(progress.probing(str(number)))
    with stack:
        console.print(progress.rendered())
    assert isinstance(console.file, io.StringIO)

    assert "and 3 more" in console.file.getvalue()


class _Healthy(BaseHTTPRequestHandler):
    """Answers as the program of that name."""

    program: ClassVar[str]

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        self.send_header("Server", self.program)
        self.end_headers()


def test_what_to_read_is_at_the_exporter_that_runs_here_else_in_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    roots = {}
    for program in ("mail-exporter", "something else"):
        server = HTTPServer(("127.0.0.1", 0), type("Handler", (_Healthy,), {"program": program}))
        monkeypatch.setattr("exporter.cli.documentation_url.USUAL", server.server_address)
        answering = Thread(target=server.handle_request)
        answering.start()
        roots[program] = documentation_root(None)
        answering.join()
        server.server_close()

    assert roots["mail-exporter"].startswith("http://127.0.0.1:")
    assert "http://h.example/docs/failures#timeout" == reason_url(FailureReason.TIMEOUT, "http://h.example/")
    # Neither what listens there otherwise nor nobody.
    assert "" == roots["something else"] == documentation_root(None)
    local = reason_url(FailureReason.TIMEOUT, "")
    assert local.startswith("file:///")
    assert Path(local.removeprefix("file://").partition("#")[0]).is_file()
    assert local.endswith("/failures.md#timeout")
