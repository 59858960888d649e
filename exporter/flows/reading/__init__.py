"""Finding messages in mailboxes by IMAP and POP3, and removing those that are ours.

What a found message means is decided in `exporter.flows.messages`, and what its flow makes of it in `ledger.py`.
"""
