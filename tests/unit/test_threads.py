"""The end of a program whose threads still work: it waits for what ends soon, and for nothing that hangs."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, threading, time
from exporter import threads

threads.LAST_MOMENT = {moment}
begun = threading.Event()

def work():
    begun.set()
    time.sleep({seconds})
    print("done", flush=True)

async def main():
    threads.in_own_thread(work, "work")
    begun.wait()

asyncio.run(main())
"""


@pytest.mark.parametrize(("seconds", "moment", "said"), [(0.05, 60.0, "done\n"), (3600.0, 0.05, "")])
def test_the_end_of_the_program_waits_for_a_thread_for_a_moment_only(seconds: float, moment: float, said: str) -> None:
    program = PROGRAM.format(seconds=seconds, moment=moment)
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=100)

    assert said == ended.stdout
