"""Writes docs/providers.md, from the table of presets, to standard output. A test holds the committed file current."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from exporter.config.providers import Preset, ProviderServer, all_presets
from exporter.config.values.urls import shortest_url
from exporter.model import Encryption, SecretKind

_TEMPLATE = """\
# Providers

<!-- Made by `make dashboards`. Change exporter/config/providers.yaml instead. -->

`provider: NAME` in [`endpoints`](configuration.md#providers) stands for the servers of one of these {count} mail
providers. NAME is one of the first column, or a mail domain; letter case means nothing. The first name of a row is the
value of the label `provider` of `mail_endpoint_info`.

- The servers are those that Mozilla's ISPDB knows, as of 2026-03-12. Where it knows several for a protocol the preset
  has the best: TLS from the start before STARTTLS before none, and the usual port before others. Other servers of a
  provider, and other providers, are written as `url`.
- *STARTTLS if offered*: the ISPDB knows the server without encryption. It is asked for STARTTLS all the same, and a
  login is sent only if it offers that.
- *tokens only*: the server refuses passwords; the credentials need [`oauth2`](configuration.md#oauth2). *tokens*: it
  takes both.
- *no login*: the server wants none, and the endpoint has no credentials whatever the entry says.
- Many providers want a password made for programs ("app password") where the account has a second factor.
- NetEase (163, 126, yeah.net) and QQ want an authorization code in the place of the password; iCloud, Yahoo and mail.ru
  an app password. Zoho and NetEase refuse IMAP and POP until the user has switched them on in the settings.

[microsoft-365.md](microsoft-365.md) and [gmail.md](gmail.md) say what to set up there.

{table}
"""

_MAX_DOMAINS = 12
"""Mail domains that a row shows."""


def reference() -> str:
    """The whole of docs/providers.md."""
    presets = all_presets()
    head = "| name | provider | mail domains | servers |\n|---|---|---|---|"
    return _TEMPLATE.format(count=len(presets), table="\n".join([head, *map(_row, presets)]))


def _row(preset: Preset) -> str:
    names = _codes((preset.name, *preset.also))
    further = len(preset.domains) - _MAX_DOMAINS
    domains = _codes(preset.domains[:_MAX_DOMAINS]) + (f" and {further} more" if further > 0 else "")
    servers = "<br>".join(map(_shown, preset.servers))
    title = preset.title.replace("|", "\\|")
    return f"| {names} | {title} | {domains} | {servers} |"


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shown(server: ProviderServer) -> str:
    url = shortest_url(server.protocol, server.encryption, server.host, server.port)
    remarks = []
    if server.encryption is Encryption.OPPORTUNISTIC:
        remarks.append("STARTTLS if offered")
    if not server.logins:
        remarks.append("no login")
    elif SecretKind.PASSWORD not in server.logins:
        remarks.append("tokens only")
    elif SecretKind.TOKEN in server.logins:
        remarks.append("tokens")
    return f"`{url}`" + (f" ({', '.join(remarks)})" if remarks else "")


if __name__ == "__main__":
    sys.stdout.write(reference())
