"""Where the documentation of a failure is: at the running exporter, otherwise in the package."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Final

from exporter.model import FailureReason
from exporter.web.pages.documentation_place import documentation_directory
from exporter.web.pages.links import reason_link

USUAL: Final = ("localhost", 9925)
"""The exporter's default address."""

ANSWERS_WITHIN: Final = 0.2
"""The timeout of a request to this machine, in seconds."""


def documentation_root(external: str | None) -> str:
    """The URL to put before a path of `links`.

    Args:
        external: The external URL of the exporter's pages; `None` if not given.
    """
    if external is not None:
        return external.rstrip("/") + "/"
    host, port = USUAL
    return f"http://{host}:{port}/" if _is_ours(host, port) else ""


def _is_ours(host: str, port: int) -> bool:
    """Whether an exporter answers there over HTTP. HTTPS is not tried, because its host name is not known here."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWERS_WITHIN)
    try:
        connection.request("HEAD", "/-/healthy")
        return connection.getresponse().getheader("Server") == "mail-exporter"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reason_url(reason: FailureReason, root: str) -> str:
    """Where a reason is explained.

    Args:
        reason: The reason.
        root: The result of `documentation_root`. If it is empty, the URL is of the file in the package.
    """
    if root:
        return root + reason_link(reason)
    return f"{Path(str(documentation_directory())).resolve().as_uri()}/failures.md#{reason}"
