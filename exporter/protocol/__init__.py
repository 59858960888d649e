"""The mail protocols as pure dialogues: no socket, no clock, no asyncio.

`session.py` goes from the greeting to the login, `smtp.py`, `imap.py` and `pop3.py` speak, and `protocols.py` has a row
for each. `sasl/` is how they log in, `refusals/` what a refusal means, and `errands/` what is done after the login.
"""
