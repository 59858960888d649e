"""curl, as people use it to look at an exporter."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.servers.programs import program


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl made of a request.

    Attributes:
        status: Of HTTP; 0 if it did not come to that.
        exit_code: curl's own, 0 if there was an answer.
        text: The head and the body.
    """

    status: int
    exit_code: int
    text: str


def curl(url: str, *arguments: str) -> Answer:
    """Asks once.

    Args:
        url: Of the scheme http or https.
        arguments: More of curl's flags.
    """
    binary = program("curl", package="curl")
    command = [binary, "--silent", "--include", "--max-time", "20", "--write-out", "\n%{http_code}", *arguments, url]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    text, _, status = ended.stdout.rpartition("\n")
    return Answer(status=int(status), exit_code=ended.returncode, text=text)
