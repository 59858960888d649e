"""Messages: the ones that flows send, and what a received one shows. Pure: text in, facts and faults out.

No mailbox and no clock is here. Everything in a received message is hostile, and nothing in it raises an exception.
"""
