"""The form of a refusal: JSON for the API, and a page for browsers.

The page is for requests that are refused before a login, or that a bug has spoilt. Only the text of the refusal differs
from exporter to exporter. The page has no version, no time, nothing from the configuration, and no resource that needs
a login.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from exporter.web.serving.negotiation import prefers_html
from exporter.web.serving.prefix import root_of

_STYLE: Final = (
    "body{margin:3rem auto;padding:0 1rem;max-width:40rem;font:16px/1.5 system-ui,sans-serif;overflow-wrap:break-word}"
    "body{background:#f7f8fa;color:#1b2330}a{color:#1d4ed8}h1{font-size:1.5rem}nav a{margin-right:1rem}"
    "@media(prefers-color-scheme:dark){body{background:#12161d;color:#e4e8ee}a{color:#8ab4ff}}"
)

_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{status} {phrase} &ndash; mail-exporter</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>{phrase}</h1>
<p>{text}</p>
<nav aria-label="Sections">
<a href="{root}">{again}</a>
<a href="{root}docs/">Documentation</a>
</nav>
</main>
</body>
</html>
"""


def is_for_the_api(request: web.BaseRequest) -> bool:
    """Whether a request is one of a program that reads JSON."""
    return request.path.startswith("/api/")


def put_in_json(refusal: web.HTTPError) -> None:
    """Turn the text of a refusal into a JSON object."""
    refusal.text = json.dumps({"error": (refusal.text or "").strip()}) + "\n"
    refusal.content_type = "application/json"


def put_on_page(request: web.BaseRequest, refusal: web.HTTPError) -> None:
    """Turn the text of a refusal into JSON for the API, and into a page for browsers."""
    if is_for_the_api(request):
        put_in_json(refusal)
        return
    if not prefers_html(",".join(request.headers.getall(hdrs.ACCEPT, ()))):
        return
    refusal.text = _PAGE.format(
        status=refusal.status,
        phrase=HTTPStatus(refusal.status).phrase,
        style=_STYLE,
        text=escape((refusal.text or "").strip()),
        root=escape(root_of(request)),
        again="Log in" if refusal.status == HTTPStatus.UNAUTHORIZED else "Try again",
    )
    refusal.content_type = "text/html"
    refusal.headers["Content-Security-Policy"] = _POLICY
