"""Mail flow: a message is sent, found, judged and removed.

It is built on visits: `exporter.protocol.errands` has the commands, and `exporter.visiting` the connections.
`messages/` writes and judges messages, `reading/` finds them in mailboxes, and `ledger.py` has what came of each.
"""
