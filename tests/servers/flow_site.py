"""Postfix, a filter and Dovecot in a row, with a mailbox for each situation that mail can get into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.servers.authority import Authority, Identity
from tests.servers.dovecot import NOWHERE, Account, Dovecot, dovecot
from tests.servers.mail_filter import MailFilter, Treatment, mail_filter
from tests.servers.postfix import Postfix, postfix
from tests.servers.programs import LOOPBACK, REMOTE_LOOPBACK, unavailable

DOMAIN = "example.test"
BARE = "127.0.0.3"
"""Where Dovecot offers nothing but IMAP4rev1."""

SIEVE = """require ["fileinto"];
if header :is "X-Spam-Flag" "YES" { fileinto "Junk"; stop; }
if address :localpart "to" "moved" { fileinto "Rules"; stop; }
"""


@dataclass(frozen=True, slots=True)
class FlowSite:
    """All of it, running."""

    authority: Authority
    dovecot: Dovecot
    filter: MailFilter
    postfix: Postfix
    names: tuple[str, ...]

    def imaps(self, name: str, host: str = LOOPBACK) -> dict[str, Any]:
        """An endpoint that reads a mailbox."""
        return self._endpoint(f"imap-{name}", f"imaps://{host}:{self.dovecot.imaps}", name)

    def pop3s(self, name: str) -> dict[str, Any]:
        """Likewise, by POP3."""
        return self._endpoint(f"pop3-{name}", f"pop3s://{LOOPBACK}:{self.dovecot.pop3s}", name)

    def plain_imap(self, name: str, port: int) -> dict[str, Any]:
        """Likewise, through a gate."""
        plain = {"encryption": "none", "allow_insecure_auth": True}
        return self._endpoint(f"imap-{name}", f"imap://{LOOPBACK}:{port}", name) | plain

    def submission(self, name: str = "sender") -> dict[str, Any]:
        """An endpoint that sends."""
        return self._endpoint(f"smtp-{name}", f"submission://{LOOPBACK}:{self.postfix.submission}", name)

    def configuration(self, endpoints: Sequence[dict[str, Any]], flows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """What the daemon is told. Endpoints are probed rarely, so that flows have the servers to themselves."""
        credentials = {name: {"username": f"{name}@{DOMAIN}", "password": f"{name}-secret"} for name in self.names}
        return {
            "flow_key": "the flow key of the tests",
            "defaults": {"interval": "1h", "timeout": "10s", "tls": {"ca_file": str(self.authority.file)}},
            "credentials": credentials,
            "endpoints": list(endpoints),
            "limits": {"connections_per_host": 100},
            "flows": list(flows),
        }

    def maildir(self, name: str) -> Path:
        """Where a mailbox lies."""
        return self.dovecot.directory / "mail" / name / "Maildir"

    def files(self, name: str) -> list[Path]:
        """All messages that somebody has, in whatever mailbox."""
        return [file for file in self.maildir(name).rglob("*") if file.is_file() and file.parent.name in ("cur", "new")]

    def _endpoint(self, name: str, url: str, credentials: str) -> dict[str, Any]:
        return {"name": name, "url": url, "credentials": credentials}


@contextmanager
def flow_site(
    directory: Path,
    names: Sequence[str],
    treatments: Mapping[str, Treatment],
    *,
    introspection_url: str = NOWHERE,
    quota_limit: int = 10 * 1024 * 1024,
) -> Iterator[FlowSite]:
    """Runs all of it until the block ends.

    Args:
        directory: Where other users may enter.
        names: Who has a mailbox; `sender` has one too.
        treatments: What becomes of mail for them.
        introspection_url: Where Dovecot asks whether a token is good.
        quota_limit: Bytes for each of them.
    """
    if not Path("/usr/lib/dovecot/modules/lib90_sieve_plugin.so").exists():
        unavailable("Dovecot's Sieve is not installed (Debian package: dovecot-sieve)")
    everybody = ("sender", *names)
    accounts = [Account(f"{name}@{DOMAIN}", f"{name}-secret") for name in everybody]
    authority = Authority.make(directory / "authority", "Test Authority")
    addresses = (f"mail.{DOMAIN}", "localhost", LOOPBACK, REMOTE_LOOPBACK, BARE)
    identity = authority.issue(f"mail.{DOMAIN}", names=addresses)
    with ExitStack() as stack:
        mailboxes = stack.enter_context(
            dovecot(
                directory / "dovecot",
                identity,
                accounts,
                elsewhere={BARE: identity},
                quota_limit=quota_limit,
                further=_dovecot(directory),
                introspection_url=introspection_url,
            )
        )
        between = stack.enter_context(mail_filter(mailboxes.lmtp, treatments))
        relay = stack.enter_context(_postfix(directory, identity, accounts, replace(mailboxes, lmtp=between.port)))
        yield FlowSite(authority, mailboxes, between, relay, everybody)


def _dovecot(directory: Path) -> dict[str, str]:
    rules = directory / "rules.sieve"
    rules.write_text(SIEVE)
    common = rf"""
protocol pop3 {{
  pop3_lock_session = yes
}}
namespace inbox {{
  mailbox Junk {{
    auto = create
    special_use = \Junk
  }}
  mailbox Rules {{
    auto = create
  }}
  mailbox Trash {{
    auto = create
    special_use = \Trash
  }}
}}
local {BARE} {{
  protocol imap {{
    imap_capability = IMAP4rev1 SASL-IR
  }}
}}
"""
    sieve = {
        "2.3": f"""
protocol lmtp {{
  mail_plugins = quota sieve
}}
plugin {{
  sieve_before = {rules}
}}
""",
        "2.4": f"""
protocol lmtp {{
  mail_plugins {{
    quota = yes
    sieve = yes
  }}
}}
sieve_script before {{
  type = before
  path = {rules}
}}
""",
    }
    return {version: settings + common for version, settings in sieve.items()}


def _postfix(directory: Path, identity: Identity, accounts: Sequence[Account], mailboxes: Dovecot) -> Any:
    access = directory / "recipients"
    access.write_text(f"grey@{DOMAIN} 450 4.2.0 greylisted\nrefused@{DOMAIN} 550 5.1.1 no such user\n")
    senders = directory / "senders"
    senders.write_text(f"outcast@{DOMAIN} 550 5.7.1 not from you\n")
    content = directory / "content"
    content.write_text("/^To: spam@/ REJECT 5.7.1 looks like spam\n")
    further = f"""
smtpd_recipient_restrictions = check_recipient_access texthash:{access}
smtpd_sender_restrictions = check_sender_access texthash:{senders}
header_checks = regexp:{content}
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
lmtp_destination_concurrency_limit = 40
lmtp_destination_recipient_limit = 1
"""
    return postfix(directory / "postfix", identity, accounts, mailboxes=mailboxes, domain=DOMAIN, further=further)
