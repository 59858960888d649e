"""The SASL mechanisms, and the choice of one for a login.

How each works is in mechanisms.py and scram.py, how an exchange runs in sasl_exchange.py. The framing of a protocol is
in the protocol's file. Only this module knows all mechanisms, and the others do not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Final

from exporter.model import Endpoint, FailureReason, Login, Mechanism
from exporter.protocol.dialogue import DialogueError
from exporter.protocol.sasl import mechanisms
from exporter.protocol.sasl.sasl_exchange import Exchange, Mechanics, SaslAttempt
from exporter.protocol.sasl.scram import scram

MECHANISMS: Final[Mapping[Mechanism, Callable[[SaslAttempt], Mechanics]]] = {
    Mechanism.SCRAM_SHA_256_PLUS: scram,
    Mechanism.SCRAM_SHA_1_PLUS: scram,
    Mechanism.SCRAM_SHA_256: scram,
    Mechanism.SCRAM_SHA_1: scram,
    Mechanism.PLAIN: mechanisms.plain,
    Mechanism.LOGIN: mechanisms.login,
    Mechanism.CRAM_MD5: mechanisms.cram_md5,
    Mechanism.OAUTHBEARER: mechanisms.oauthbearer,
    Mechanism.XOAUTH2: mechanisms.xoauth2,
    Mechanism.EXTERNAL: mechanisms.external,
}
"""Every SASL mechanism there is code for."""

# A -PLUS mechanism is for those who name it: nothing tells which channel bindings a server knows (decisions/005).
_SCRAM: Final = (Mechanism.SCRAM_SHA_256, Mechanism.SCRAM_SHA_1)
_PLAIN: Final = (Mechanism.PLAIN, Mechanism.USERPASS, Mechanism.LOGIN)
_MD5: Final = (Mechanism.CRAM_MD5, Mechanism.APOP)
_OTHERS: Final = (Mechanism.OAUTHBEARER, Mechanism.XOAUTH2, Mechanism.EXTERNAL)

PREFERENCE: Final = (*_SCRAM, *_PLAIN, *_MD5, *_OTHERS)
"""What `auto` picks from, the preferred first, on an encrypted connection.

SCRAM gives nothing away that could be used elsewhere, and makes the server prove itself. PLAIN and its like come next:
servers know them best, and need no more than a hash of the password for them. CRAM-MD5 and APOP rest on MD5 and need
the password itself on the server, so that many announce what they cannot do (draft-ietf-sasl-crammd5-to-historic).
OAUTHBEARER has an RFC, XOAUTH2 has none."""

PREFERENCE_IN_CLEAR: Final = (*_SCRAM, *_MD5, *_PLAIN, *_OTHERS)
"""What `auto` picks from on an unencrypted connection: first the mechanisms that do not show the password."""


def choose(
    login: Login, offered: Collection[str], own: Collection[Mechanism] = (), *, encrypted: bool, remark: str = ""
) -> Mechanism:
    """The mechanism to log in with.

    Args:
        login: What there is to log in with, and which mechanism is wanted.
        offered: The names of SASL mechanisms, as the server announces them.
        own: The commands that the protocol has besides, and the server lets one use.
        encrypted: Whether nobody can read along.
        remark: What else the failure's detail says, should there be one.

    Raises:
        DialogueError: None fits.
    """
    wanted = login.mechanism
    if wanted.takes not in {None, login.kind}:
        raise DialogueError(
            FailureReason.SECRET_UNREADABLE, f"{wanted} takes a {wanted.takes}, and the credentials have a {login.kind}"
        )
    names = {name.upper() for name in offered}
    usable = {mechanism for mechanism in MECHANISMS if mechanism in names}.union(own)
    preferred = PREFERENCE if encrypted else PREFERENCE_IN_CLEAR
    for mechanism in preferred if wanted is Mechanism.AUTO else (wanted,):
        if mechanism in usable and mechanism.takes is login.kind:
            return mechanism
    raise _not_offered(login, dict.fromkeys((*own, *offered)), remark)


def exchange(mechanism: Mechanism, login: Login, endpoint: Endpoint) -> Exchange:
    """A run of a mechanism that was chosen from what the server offers."""
    attempt = SaslAttempt(mechanism, login, endpoint.host, endpoint.port)
    return Exchange(mechanism, MECHANISMS[mechanism](attempt))


def _not_offered(login: Login, offered: Iterable[str], remark: str) -> DialogueError:
    wish = f"mechanism that takes a {login.kind}" if login.mechanism is Mechanism.AUTO else login.mechanism
    offer = ", ".join(islice(offered, 20))[:200] or "none at all"
    return DialogueError(
        FailureReason.AUTH_MECHANISM_NOT_OFFERED, f"the server offers no {wish}; it offers {offer}{remark}"
    )
