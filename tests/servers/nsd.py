"""Debian's nsd, with zones that a test carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.servers.programs import LOOPBACK, free_ports, program, running

NSD_CONF = """\
server:
  ip-address: {address}
  port: {port}
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  pidfile: "{directory}/nsd.pid"
  xfrdfile: ""
  zonelistfile: "{directory}/zone.list"
  xfrdir: "{directory}"
  database: ""
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""


@contextmanager
def nsd(directory: Path, zones: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """Runs nsd until the block ends.

    Args:
        directory: The directory for its files.
        zones: The text of each zone file by the name of its zone. The first record must be an SOA record.

    Yields:
        Its address and port, for UDP and TCP.
    """
    path = program("nsd", package="nsd")
    (port,) = free_ports(1)
    conf = NSD_CONF.format(address=LOOPBACK, port=port, directory=directory)
    for zone, text in zones.items():
        (directory / f"{zone}.zone").write_text(text)
        conf += f'zone:\n  name: {zone}\n  zonefile: "{zone}.zone"\n'
    (directory / "nsd.conf").write_text(conf)
    question = dns.message.make_query(next(iter(zones)), dns.rdatatype.SOA)

    def answers() -> bool:
        try:
            return bool(dns.query.udp(question, LOOPBACK, timeout=1, port=port).answer)
        except dns.exception.Timeout:
            return False

    with running([path, "-d", "-c", str(directory / "nsd.conf")], log=directory / "nsd.log", ready=answers):
        yield LOOPBACK, port
