"""The dialogues that are measured, as blackbox_exporter and the monitoring plugins have to be told of them.

Each says and hears what a probe of ours does, line by line: greeting, capabilities, upgrade, login, goodbye. Ours are
told by a URL and credentials.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from benchmarks.mailserver import MailServer

Exchange: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One way to probe.

    Attributes:
        name: For people.
        scheme: Of the URL, and of the server's port.
        tls: From the first octet.
        login: Whether it logs in.
        exchanges: blackbox_exporter's `query_response`.
        plugin: Which of the monitoring plugins does the like; `None` if none does.
        arguments: What it is told beside host and port.
    """

    name: str
    scheme: str
    tls: bool
    login: bool
    exchanges: Callable[[MailServer], Sequence[Exchange]]
    plugin: str | None = None
    arguments: Callable[[MailServer], Sequence[str]] = lambda _: ()

    def module(self, server: MailServer) -> dict[str, object]:
        """A module of blackbox_exporter."""
        return {
            "prober": "tcp",
            "timeout": "15s",
            "tcp": {
                "tls": self.tls,
                "tls_config": {"ca_file": str(server.ca_file), "server_name": server.name},
                "query_response": list(self.exchanges(server)),
            },
        }


def _plain(server: MailServer) -> str:
    return b64encode(f"\0{server.username}\0{server.password}".encode()).decode()


_IMAP_GREETING: Final[Exchange] = {"expect": r"^\* OK"}
_IMAP_CAPABILITIES: Final[Sequence[Exchange]] = (
    {"send": ". CAPABILITY"},
    {"expect": r"^\* CAPABILITY.* AUTH=PLAIN"},
    {"expect": r"^\. OK"},
)
_IMAP_STARTTLS: Final[Sequence[Exchange]] = ({"send": ". STARTTLS"}, {"expect": r"^\. OK"}, {"starttls": True})
_IMAP_GOODBYE: Final[Sequence[Exchange]] = ({"send": ". LOGOUT"}, {"expect": r"^\* BYE"}, {"expect": r"^\. OK"})


def _imap_login(server: MailServer) -> Sequence[Exchange]:
    return ({"send": f". LOGIN {server.username} {server.password}"}, {"expect": r"^\. OK"})


def _imaps(server: MailServer) -> Sequence[Exchange]:
    return (_IMAP_GREETING, *_IMAP_CAPABILITIES, *_imap_login(server), *_IMAP_GOODBYE)


def _imap(server: MailServer) -> Sequence[Exchange]:
    upgrade = (_IMAP_GREETING, *_IMAP_CAPABILITIES, *_IMAP_STARTTLS)
    return (*upgrade, *_IMAP_CAPABILITIES, *_imap_login(server), *_IMAP_GOODBYE)


def _imap_in_plain(_: MailServer) -> Sequence[Exchange]:
    return (_IMAP_GREETING, *_IMAP_CAPABILITIES, *_IMAP_GOODBYE)


def _pop3s(server: MailServer) -> Sequence[Exchange]:
    return (
        {"expect": r"^\+OK"},
        {"send": "CAPA"},
        {"expect": r"^\.$"},
        {"send": f"AUTH PLAIN {_plain(server)}"},
        {"expect": r"^\+OK"},
        {"send": "QUIT"},
        {"expect": r"^\+OK"},
    )


def _submission(server: MailServer) -> Sequence[Exchange]:
    greeting: Sequence[Exchange] = ({"send": "EHLO bench.example"}, {"expect": "^250 "})
    return (
        {"expect": "^220 "},
        *greeting,
        {"send": "STARTTLS"},
        {"expect": "^220 "},
        {"starttls": True},
        *greeting,
        {"send": f"AUTH PLAIN {_plain(server)}"},
        {"expect": "^235 "},
        {"send": "QUIT"},
        {"expect": "^221 "},
    )


def _imaps_plugin(server: MailServer) -> Sequence[str]:
    login = f"a1 LOGIN {server.username} {server.password}\\r\\n"
    return ("--ssl", "--escape", f"--send={login}", "--expect=a1 OK", "--quit=a2 LOGOUT\\r\\n")


def _pop3s_plugin(server: MailServer) -> Sequence[str]:
    login = f"AUTH PLAIN {_plain(server)}\\r\\n"
    return ("--ssl", "--escape", f"--send={login}", "--expect=+OK logged in", "--quit=QUIT\\r\\n")


def _submission_plugin(server: MailServer) -> Sequence[str]:
    return ("--starttls", "-A", "LOGIN", "-U", server.username, "-P", server.password)


IMAPS: Final = Dialogue(
    "IMAPS, login",
    "imaps",
    tls=True,
    login=True,
    exchanges=_imaps,
    plugin="check_imap",
    arguments=_imaps_plugin,
)
IMAP: Final = Dialogue("IMAP, STARTTLS, login", "imap", tls=False, login=True, exchanges=_imap)
SUBMISSION: Final = Dialogue(
    "SMTP, STARTTLS, login",
    "submission",
    tls=False,
    login=True,
    exchanges=_submission,
    plugin="check_smtp",
    arguments=_submission_plugin,
)
POP3S: Final = Dialogue(
    "POP3S, login",
    "pop3s",
    tls=True,
    login=True,
    exchanges=_pop3s,
    plugin="check_pop",
    arguments=_pop3s_plugin,
)
PLAIN: Final = Dialogue(
    "IMAP in plain, no login", "imap", tls=False, login=False, exchanges=_imap_in_plain, plugin="check_imap"
)
