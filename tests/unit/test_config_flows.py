from __future__ import annotations

import pytest

from exporter.config.load import parse
from exporter.config.values import plain_text
from exporter.config.values.secret_sources import FileSecret, InlineSecret
from exporter.config.yaml_output import render
from exporter.model import (
    Addresses,
    AuthMethod,
    AuthResult,
    Awaited,
    Encryption,
    Expected,
    Flow,
    Receiving,
    Secret,
)

TEXT = """
flow_key: correct horse battery staple
defaults: {helo: probe.example.com, timeout: 10s}
credentials:
  me: {username: me@example.com, password_env: ME}
endpoints:
  - {name: out, url: "submission://mail.example.com", credentials: me, addresses: all}
  - {name: in, url: "imaps://mail.example.com", credentials: me}
  - {name: pop, url: "pop3s://mail.example.com", credentials: me}
flows:
  - name: there and back
    send: {endpoint: out, to: you@example.net, bounces: in}
    receive: {endpoint: in, mailboxes: [INBOX, '\\Junk', Alerts], authserv_id: mx.example.net}
    expect: {within: 2m, mailbox: Alerts, auth: {spf: pass, dmarc: none}}
    give_up: 30m
    interval: 1m
    labels: {team: mail, empty: ""}
  - name: by mx
    send: {mx: example.net, from: "gruß@example.com", to: you@example.net}
    receive: {endpoint: pop}
  - name: report
    receive: {endpoint: in, mailboxes: [INBOX]}
    expect: {from: "backup@*.example.com", subject: "*finished*", every: 26h}
"""


def flows(text: str = TEXT) -> dict[str, Flow]:
    return {flow.name: flow for flow in parse(text, "test.yaml").flows.flows}


def test_a_flow_has_all_that_is_written() -> None:
    flow = flows()["there and back"]
    assert flow.sending is not None
    assert flow.sending.bounces is not None
    assert ("me@example.com", "you@example.net") == (flow.sending.sender, flow.sending.recipient)
    assert ("out", None, "in") == (flow.sending.endpoint.name, flow.sending.mx, flow.sending.bounces.name)
    assert ("INBOX", "\\Junk", "Alerts") == flow.receiving.mailboxes
    assert "mx.example.net" == flow.receiving.authserv_id
    assert (
        Expected(120, "Alerts", {AuthMethod.DMARC: AuthResult.NONE, AuthMethod.SPF: AuthResult.PASS}) == flow.expected
    )
    assert (1800, 60, {"team": "mail"}) == (flow.give_up, flow.interval, dict(flow.labels))


def test_an_endpoint_of_a_flow_is_one_server() -> None:
    sending = flows()["there and back"].sending
    assert sending is not None
    assert Addresses.FIRST == sending.endpoint.addresses


def test_defaults_are_what_the_reference_says() -> None:
    flow = flows()["by mx"]
    assert (3600, 300, {}, None) == (flow.give_up, flow.interval, dict(flow.labels), flow.awaited)
    assert Expected(None, "INBOX", {}) == flow.expected
    assert Receiving(flow.receiving.endpoint, ("INBOX",), None) == flow.receiving
    minimal = TEXT.replace("mailboxes: [INBOX, '\\Junk', Alerts], ", "").replace(", mailbox: Alerts", "")
    assert ("INBOX", "\\Junk") == flows(minimal)["there and back"].receiving.mailboxes


def test_mx_hosts_are_visited_as_another_server_would() -> None:
    sending = flows()["by mx"].sending
    assert sending is not None
    endpoint = sending.endpoint
    assert ("example.net", 25, Encryption.OPPORTUNISTIC) == (endpoint.host, endpoint.port, endpoint.encryption)
    assert (False, None, "probe.example.com", 10) == (
        endpoint.tls.verify,
        endpoint.credentials,
        endpoint.helo,
        endpoint.timeout,
    )
    assert "gruß@example.com" == sending.sender


def test_a_flow_that_sends_nothing_awaits_somebody_elses_message() -> None:
    flow = flows()["report"]
    assert None is flow.sending
    assert Awaited(26 * 3600, "backup@*.example.com", "*finished*") == flow.awaited


def test_the_key_comes_from_one_of_three_places() -> None:
    assert InlineSecret(Secret(b"correct horse battery staple")) == parse(TEXT, "test.yaml").flows.key
    by_file = TEXT.replace("flow_key: correct horse battery staple", "flow_key_file: /run/key")
    key = parse(by_file, "test.yaml").flows.key
    assert isinstance(key, FileSecret)
    assert "/run/key" == str(key.path)


def test_a_configuration_without_flows_has_no_key() -> None:
    configuration = parse("endpoints: [{url: 'imaps://mail.example.com'}]", "test.yaml")
    assert (None, ()) == (configuration.flows.key, configuration.flows.flows)


def test_a_key_file_that_is_not_there_yet_is_a_warning() -> None:
    warnings = parse(
        TEXT.replace("flow_key: correct horse battery staple", "flow_key_file: nowhere"), "x.yaml"
    ).warnings
    assert any("flow_key_file" in str(warning) and "nowhere" in str(warning) for warning in warnings)


def test_the_configuration_in_force_loads_again_and_shows_no_key() -> None:
    first = parse(TEXT, "test.yaml")
    shown = "".join(render(first))
    assert "correct horse" not in shown
    again = parse(shown.replace("<redacted>", "another key of sixteen"), "test.yaml")
    assert {flow.name: flow for flow in first.flows.flows} == {flow.name: flow for flow in again.flows.flows}


@pytest.mark.parametrize("address", ["me@example.com", "gruß@example.com", "用户@example.com", '"a b"@example.com'])
def test_addresses_may_be_in_any_script(address: str) -> None:
    assert address == plain_text.flow_address(address)


@pytest.mark.parametrize(
    "address", ["", "me", "@example.com", "a b@example.com", "ü\r\n@example.com", "ü>x@example.com"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|empty|control"):
        plain_text.flow_address(address)
