"""`python -m tests.conformance.limbo FILE`: x509-limbo's cases through our own handshake and judgement.

FILE is an x509-limbo.json (https://x509-limbo.com). A case becomes a server that presents what the case has, a trust
store with its anchors, and a verification at its time; the verdict is what a probe would come to.

It ends with 1 if a verdict differs from the expected one and `DIFFERENCES` has no reason for it, if one that has one
agrees, or if `openssl verify` accepts what limbo accepts and we do not.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import click
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from exporter.model import CertificateProblem as Problem
from exporter.model import TlsPolicy
from exporter.net.tls import TlsContexts, TlsSetupError
from tests.conformance.differences import DIFFERENCES
from tests.handshakes import meeting

NOT_COUNTED: Final = frozenset({"has-crl", "denial-of-service"})
"""Features of cases that the figure to compare leaves out: revocation lists, and patience."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case.

    Attributes:
        detail: What we say of it.
        too_strict: `openssl verify` accepts it, limbo does, and we do not.
    """

    case: str
    expected: bool
    found: bool
    detail: str
    counted: bool
    too_strict: bool

    @property
    def agrees(self) -> bool:
        return self.expected == self.found


def verdicts(cases: Iterable[dict[str, Any]], folder: Path) -> Iterator[Verdict]:
    """Those of the cases in which a server has a key to shake hands with."""
    for case in cases:
        if case["validation_kind"] == "SERVER" and case["peer_certificate_key"]:
            found, detail = _met(case, folder)
            expected = case["expected_result"] == "SUCCESS"
            yield Verdict(
                case=case["id"],
                expected=expected,
                found=found,
                detail=detail,
                counted=NOT_COUNTED.isdisjoint(case["features"]),
                too_strict=expected and not found and _openssl_accepts(case, folder),
            )


def _met(case: dict[str, Any], folder: Path) -> tuple[bool, str]:
    moment = _moment(case)
    authorities, presented = folder / "authorities.pem", folder / "presented.pem"
    authorities.write_text("".join(case["trusted_certs"]))
    presented.write_text(case["peer_certificate"] + "".join(case["untrusted_intermediates"]))
    try:
        client = TlsContexts(wall=moment.timestamp).context(TlsPolicy(ca_file=authorities))
    except TlsSetupError as error:
        return False, str(error)
    store = client.get_cert_store()
    assert store is not None
    store.set_time(moment)
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    server.set_cipher_list(b"DEFAULT@SECLEVEL=0")
    server.use_certificate_chain_file(presented)
    key = load_pem_private_key(case["peer_certificate_key"].encode(), None)
    server.use_privatekey(cast("rsa.RSAPrivateKey", key))  # of whatever kind: that is up to OpenSSL
    wanted = case["expected_peer_name"]
    name = wanted["value"] if wanted else "none.invalid"
    with meeting(client, server, name) as both:
        if both.error is not None:
            return False, f"the handshake fails: {both.error}"
        facts = both.facts(name, moment.timestamp())
    problems = [each for each in facts.problems if each.fails and (wanted or each is not Problem.NAME_MISMATCH)]
    return not problems, facts.detail


def _moment(case: dict[str, Any]) -> datetime:
    given = case["validation_time"]
    return datetime.fromisoformat(given).astimezone(UTC) if given else datetime.now(UTC)


def _openssl_accepts(case: dict[str, Any], folder: Path) -> bool:
    leaf, untrusted = folder / "leaf.pem", folder / "untrusted.pem"
    leaf.write_text(case["peer_certificate"])
    untrusted.write_text("".join(case["untrusted_intermediates"]))
    command: list[str | Path] = ["openssl", "verify", "-CAfile", folder / "authorities.pem"]
    command += ["-attime", str(int(_moment(case).timestamp()))]
    command += ["-untrusted", untrusted] if case["untrusted_intermediates"] else []
    return subprocess.run([*command, leaf], capture_output=True, check=False).returncode == 0


def main(file: str) -> int:
    """Print what differs; 1 if that is more than is known."""
    cases = json.loads(Path(file).read_text())["testcases"]
    with tempfile.TemporaryDirectory() as folder:
        found = list(verdicts(cases, Path(folder)))
    counted = [each for each in found if each.counted]
    unknown = [each for each in found if not each.agrees and each.case not in DIFFERENCES]
    strict = [each for each in found if each.too_strict]
    for each in found:
        if not each.agrees:
            reason = DIFFERENCES.get(each.case, "NOT KNOWN")
            click.echo(f"{each.case}: {'rejected' if each.expected else 'accepted'}: {reason} ({each.detail})")
    both = ((sum(each.agrees for each in some), len(some)) for some in (found, counted))
    (agree, of), (agree_counted, of_counted) = both
    without = " and ".join(sorted(NOT_COUNTED))
    click.echo(f"{agree} of {of} cases agree, {agree_counted} of {of_counted} without {without}")
    for each in strict:
        click.echo(f"{each.case}: stricter than openssl verify: {each.detail}")
    stale = sorted(DIFFERENCES.keys() & {each.case for each in found if each.agrees})
    for case in stale:
        click.echo(f"{case}: agrees by now; take it out of the table")
    return int(bool(unknown or strict or stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
