"""The daemon under load for minutes: whether it keeps its memory, and whether its counts are true."""
