"""What it means that a server refuses: its codes and its words, as reasons.

Tables, and how they are read. No dialogue is here: `smtp.py`, `pop3.py` and `imap_refusal.py` make a failure of what is
judged here.
"""
