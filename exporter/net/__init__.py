"""The network, as a client of others: every socket that a probe or a question opens.

What lies here itself is one connection to a mail server: `stream.py` reads and writes it, `establishing.py` and
`proxies.py` make it, `peer_clock.py` and `stamps.py` measure it. `dns/` finds addresses, `tls/` says what a handshake
showed, and `http/` asks web servers. Whether a probe fails is decided in `exporter.visiting`.
"""
