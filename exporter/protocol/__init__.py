"""The mail protocols as pure dialogues: no socket, no clock, no asyncio."""
