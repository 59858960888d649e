"""One visit: connect, log in, run commands, and record the results. Nothing here knows schedules or metrics."""
