"""The command `demo`: what it tells a person, and what it does about a port that is taken. The daemon is a stand-in."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

import pytest
from click.testing import CliRunner, Result

from exporter import app, logs
from exporter.cli.demo import demo
from exporter.config.configuration import Configuration
from exporter.config.yaml_output import render
from exporter.demo.domain_scenes import DOMAIN_SCENES
from exporter.demo.scenes import SCENES
from exporter.demo.stage import ALL, FLOW_SCENES
from exporter.demo.stories import STORIES
from exporter.net.detours import VARIABLE
from exporter.web.serving.addresses import ListenAddress, ListenError

Announce = Callable[[Sequence[str]], None]


class Daemon:
    """Announces and ends at once, unless listening fails.

    Attributes:
        errors: What becomes of the attempts to listen on a given port.
        attempts: The addresses it was to listen on, one entry for each attempt.
    """

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.attempts: list[list[str]] = []
        self.configuration: Configuration | None = None

    async def serve(
        self, configuration: Configuration, addresses: Sequence[ListenAddress], announce: Announce, **more: object
    ) -> None:
        assert {"detours"} == more.keys()
        self.attempts.append([str(address) for address in addresses])
        self.configuration = configuration
        if self.errors:
            raise ListenError("no way") from OSError(self.errors.pop(), "no way")
        announce(["http://127.0.0.1:1234/"])


def run(monkeypatch: pytest.MonkeyPatch, daemon: Daemon, *arguments: str) -> Result:
    monkeypatch.setattr(app, "serve", daemon.serve)
    # The whole process has one set-up of its logs, and other tests look at theirs.
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    return CliRunner().invoke(demo, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)


def test_it_says_where_to_look_and_what_there_is_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon()
    result = run(monkeypatch, daemon)
    assert 0 == result.exit_code
    assert [["127.0.0.1:9925"]] == daemon.attempts
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["Status", "page", "http://127.0.0.1:1234/"] in lines
    assert ["Metrics", "http://127.0.0.1:1234/metrics"] in lines
    for scene in (*SCENES, *STORIES):
        outcome = f": {scene.expected.reason} in phase {scene.expected.phase}" if scene.expected else ""
        assert [scene.name, *(scene.shows + outcome).split()] in lines
    for each in DOMAIN_SCENES:
        assert [each.name, *each.shows.split()] in lines
    assert f"{VARIABLE}=/" in result.stdout
    for flow in FLOW_SCENES:
        assert [flow.name, *f"{flow.shows}: {flow.expected}".split()] in lines
    assert "Ctrl-C" in result.stdout


def test_it_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon()
    result = run(monkeypatch, daemon)
    assert daemon.configuration is not None
    shown = result.output + "".join(render(daemon.configuration))
    assert {scene.name for scene in (*SCENES, *STORIES)} == {
        endpoint.name for endpoint in daemon.configuration.endpoints
    }
    for credentials in ALL:
        assert credentials.name in shown
        assert credentials.password is not None
        assert credentials.password.read().reveal().decode() not in shown


def test_a_port_that_is_taken_gives_way_to_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(errno.EADDRINUSE)
    result = run(monkeypatch, daemon, "--web.listen-address=127.0.0.1:5")
    assert 0 == result.exit_code
    assert [["127.0.0.1:5"], ["127.0.0.1:0"]] == daemon.attempts
    assert "Another program listens at 127.0.0.1:5, so a free port is used." in result.stdout
    assert "http://127.0.0.1:1234/metrics" in result.stdout


def test_an_address_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon(errno.EADDRNOTAVAIL)
    result = run(monkeypatch, daemon, "--web.listen-address=192.0.2.1:5")
    assert 1 == result.exit_code
    assert "mail-exporter: no way\n" == result.stderr
    assert [["192.0.2.1:5"]] == daemon.attempts


def test_an_address_that_is_none_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Daemon()
    result = run(monkeypatch, daemon, "--web.listen-address=9925")
    assert 2 == result.exit_code
    assert [] == daemon.attempts
