"""One visit: connecting, logging in, talking, and what is learnt of it. Nothing here knows a schedule or a metric."""
