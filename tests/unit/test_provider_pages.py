"""The pages about single providers: their configurations load, and mean what the text says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from exporter.config.load import parse
from exporter.model import OAuth2Grant, OAuth2Provider

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("microsoft-365.md", "gmail.md")


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_every_configuration_loads_and_logs_in_at_its_provider(page: str) -> None:
    for block in blocks(page):
        whole = yaml.safe_load(block)
        (name,) = whole["credentials"]
        preset = "gmail" if page == "gmail.md" else "office365"
        whole.setdefault("endpoints", [{"provider": preset, "credentials": name}])
        configuration = parse(yaml.safe_dump(whole), page)

        assert {name} == {e.credentials.name for e in configuration.endpoints if e.credentials is not None}
        # What is not there on this machine is the only thing to remark.
        assert all("cannot be read at present" in warning.message for warning in configuration.warnings)


def test_the_pages_show_every_way_to_a_token() -> None:
    texts = [block for page in PAGES for block in blocks(page)]
    whole = [text if "endpoints" in text else f"{text}endpoints: [{{url: imaps://h}}]" for text in texts]
    clients = [credentials.oauth2 for text in whole for credentials in parse(text, "page").credentials]
    shown = {(client.provider, client.grant) for client in clients if client is not None}

    assert {
        (OAuth2Provider.MICROSOFT, OAuth2Grant.CLIENT_CREDENTIALS),
        (OAuth2Provider.MICROSOFT, OAuth2Grant.REFRESH_TOKEN),
        (OAuth2Provider.GOOGLE, OAuth2Grant.JWT_BEARER),
        (OAuth2Provider.GOOGLE, OAuth2Grant.REFRESH_TOKEN),
    } == shown
    assert any(client.private_key is not None for client in clients if client is not None)
    assert None in clients
