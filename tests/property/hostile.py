"""Servers that say anything, for hypothesis to draw: from noise to a good conversation with something wrong in it."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import strategies as st

from exporter.model import Encryption, Login, Mechanism, SecretKind
from tests.protocol.player import IN_CLEAR, Circumstances, Cut, byte_by_byte, whole
from tests.protocol.samples import Agreeable, bearer, holder, login

cuts: st.SearchStrategy[Cut] = st.sampled_from([whole, byte_by_byte])
encryptions = st.sampled_from(Encryption)
surroundings = st.sampled_from([IN_CLEAR, Circumstances(bindings={"tls-exporter": b"x" * 32})])
logins: st.SearchStrategy[Login] = st.sampled_from(
    [
        *map(login, Mechanism),
        *map(bearer, (Mechanism.AUTO, Mechanism.XOAUTH2, Mechanism.OAUTHBEARER)),
        holder(SecretKind.CERTIFICATE),
    ]
)
"""Of every kind and for every mechanism; some do not fit each other."""


def lines(plausible: Collection[bytes]) -> st.SearchStrategy[bytes]:
    """Octets that may come from a server, mostly in lines, and mostly such as the protocol knows."""
    line = st.sampled_from(sorted(plausible)) | st.binary(max_size=60) | st.text(max_size=20).map(str.encode)
    ending = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r", b""])
    return st.lists(st.builds(bytes.__add__, line, ending), max_size=30).map(b"".join)


@st.composite
def parts(draw: st.DrawFn, server: Agreeable, encryption: Encryption, plausible: Collection[bytes]) -> list[bytes]:
    """Both sides of the handshake: what an agreeable server says, with some lines dropped, added and replaced."""
    spoilt = []
    for part in server.parts(encryption):
        said = part.splitlines(keepends=True)
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.integers(0, len(said)))
            said[place : place + draw(st.integers(0, 2))] = [draw(lines(plausible))]
        spoilt.append(b"".join(said))
    # A client that upgrades where nobody asked for it finds nothing behind the handshake.
    return [*spoilt, b""]
