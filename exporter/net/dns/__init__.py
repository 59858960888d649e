"""From a name to addresses and to other records, asking nameservers ourselves and never blocking the event loop.

`resolve.py` is the way in for addresses, `dns_answers.py` for other records. Nothing is judged here: what records say
about a domain is the subject of `exporter.domains`.
"""
