"""Logins by tokens and by certificates; passwords are in test_logins.py."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config.values.secret_sources import FileSecret
from exporter.model import (
    Credentials,
    FailureReason,
    Login,
    LoginBackoff,
    Mechanism,
    OAuth2Client,
    Protocol,
    Secret,
    SecretKind,
    TlsPolicy,
    TokenOutcome,
    Withheld,
)
from exporter.protocol.oauth2 import Material, TokenAnswer, TokenError
from exporter.visiting.logins import Logins
from exporter.visiting.reading import FRESH_FOR
from tests.clock import Clock
from tests.unit.logging_in_by_tokens import Bench, Source, rejected, succeeded


async def test_an_endpoint_with_oauth2_logs_in_by_a_token() -> None:
    bench = Bench()
    login = await bench.ask()

    assert isinstance(login, Login)
    assert ("m@contoso.com", Secret(b"token-1"), Mechanism.AUTO, SecretKind.TOKEN) == (
        login.username,
        login.secret,
        login.mechanism,
        login.kind,
    )


async def test_endpoints_that_share_credentials_share_the_token() -> None:
    bench = Bench()
    endpoints = [replace(bench.endpoint, name=f"e{number}", host=f"h{number}") for number in range(100)]
    logins = await asyncio.gather(*(bench.logins.for_probe(endpoint) for endpoint in endpoints))

    assert 1 == bench.fetched
    assert {Secret(b"token-1")} == {login.secret for login in logins if isinstance(login, Login)}


async def test_without_a_token_the_login_is_withheld_and_says_why() -> None:
    bench = Bench(fails=TokenError(TokenOutcome.REFUSED, "the token endpoint refuses: invalid_client"))
    expected = "credentials contoso: the token endpoint refuses: invalid_client; asked again in 60 s"

    assert Withheld(FailureReason.TOKEN_FAILED, expected) == await bench.ask()


async def test_a_client_secret_that_cannot_be_read_is_the_endpoint_s_own_trouble() -> None:
    bench = Bench()
    await bench.log_in(succeeded())
    bench.source.value = None
    expected = "credentials contoso: the secret file '/run/secrets/contoso' is empty"

    assert Withheld(FailureReason.SECRET_UNREADABLE, expected) == await bench.ask()
    assert 1 == bench.fetched


async def test_a_rejected_token_is_replaced_and_tried_once_more_at_once() -> None:
    bench = Bench()
    await bench.log_in(succeeded())
    await bench.log_in(rejected())
    login = await bench.ask()

    assert isinstance(login, Login)
    assert (Secret(b"token-2"), 0.0, 2) == (login.secret, bench.wait, bench.fetched)


async def test_if_the_new_token_is_rejected_too_the_login_is_left_alone() -> None:
    bench = Bench()
    await bench.log_in(rejected())
    await bench.log_in(rejected())

    assert 300.0 == bench.wait
    withheld = await bench.ask()
    assert isinstance(withheld, Withheld)
    assert FailureReason.AUTH_REJECTED is withheld.reason
    assert withheld.detail.endswith("Last answer: 535 5.7.3 no")


async def test_after_the_wait_a_new_token_is_tried_for_what_was_granted_since_is_not_in_the_old_one() -> None:
    bench = Bench()
    waits, secrets = [], []
    for _ in range(6):
        login = await bench.log_in(rejected())
        assert isinstance(login, Login)
        secrets.append(login.secret.reveal())
        waits.append(bench.wait)
        bench.clock.now += bench.wait or 0.0

    assert [0, 300, 600, 1200, 2400, 3600] == waits
    assert [b"token-%d" % number for number in range(1, 7)] == secrets


async def test_a_token_that_is_the_same_again_gets_no_further_chance() -> None:
    bench = Bench(token=lambda _: b"always the same")
    await bench.log_in(rejected())
    await bench.log_in(rejected())

    assert 300.0 == bench.wait


async def test_tries_with_the_old_token_that_were_under_way_together_count_as_one() -> None:
    bench = Bench()
    logins = [await bench.ask() for _ in range(4)]
    for login in logins:
        bench.logins.learn(bench.endpoint, login, rejected())

    assert 0.0 == bench.wait
    assert isinstance(await bench.ask(), Login)
    assert 2 == bench.fetched


async def test_a_login_that_is_taken_may_be_rejected_again_and_get_another_token() -> None:
    bench = Bench()
    for result in (rejected(), succeeded(), rejected()):
        await bench.log_in(result)

    assert 0.0 == bench.wait
    assert isinstance(await bench.ask(), Login)


async def test_a_host_that_rejects_does_not_keep_another_from_logging_in() -> None:
    bench = Bench()
    smtp = replace(bench.endpoint, name="smtp", host="smtp.example.com", protocol=Protocol.SMTP)
    for _ in range(2):
        await bench.log_in(rejected(), smtp)
        await bench.log_in(succeeded())

    assert isinstance(await bench.ask(), Login)
    assert isinstance(await bench.ask(smtp), Withheld)


async def test_a_changed_client_secret_ends_the_wait_at_once() -> None:
    bench = Bench()
    await bench.log_in(rejected())
    await bench.log_in(rejected())
    bench.source.value = b"another"

    assert isinstance(await bench.ask(), Login)


async def test_no_token_is_fetched_for_a_login_that_is_left_alone() -> None:
    bench = Bench()
    await bench.log_in(rejected())
    await bench.log_in(rejected())
    await asyncio.sleep(0)
    fetched = bench.fetched
    for _ in range(10):
        await bench.ask()

    assert fetched == bench.fetched


async def test_a_try_that_finds_no_token_leaves_the_next_one_its_chance() -> None:
    bench = Bench()
    await bench.log_in(rejected())
    await bench.log_in(rejected())
    await bench.log_in(rejected())
    bench.clock.now += 300
    bench.fails = TokenError(TokenOutcome.UNREACHABLE, "down")
    bench.source.value = b"another"

    assert FailureReason.TOKEN_FAILED is getattr(await bench.ask(), "reason", None)
    bench.fails = None
    bench.clock.now += 5
    assert isinstance(await bench.ask(), Login)


async def test_external_shows_no_password_even_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "client.pem").write_text("certificate")
    endpoint = replace(
        Bench().endpoint,
        credentials=Credentials("c", "u", Source()),
        mechanism=Mechanism.EXTERNAL,
        tls=TlsPolicy(client_cert_file=tmp_path / "client.pem"),
    )
    login = await Logins(Clock(), LoginBackoff()).for_probe(endpoint)

    assert isinstance(login, Login)
    assert (Secret(b""), SecretKind.CERTIFICATE) == (login.secret, login.kind)


async def test_credentials_with_neither_password_nor_tokens_are_a_certificate_s(tmp_path: Path) -> None:
    bench, certificate = Bench(), tmp_path / "client.pem"
    certificate.write_text("certificate")
    bench.endpoint = replace(
        bench.endpoint, credentials=Credentials("c", "u"), tls=TlsPolicy(client_cert_file=certificate)
    )
    login = await bench.log_in(rejected())
    assert isinstance(login, Login)
    assert SecretKind.CERTIFICATE is login.kind
    assert isinstance(await bench.ask(), Withheld)
    certificate.write_text("another")

    assert isinstance(await bench.ask(), Login)


async def test_a_client_certificate_that_cannot_be_read_withholds_the_login(tmp_path: Path) -> None:
    bench = Bench()
    policy = TlsPolicy(client_cert_file=tmp_path / "gone.pem")
    withheld = await bench.ask(replace(bench.endpoint, credentials=Credentials("c", "u"), tls=policy))

    assert FailureReason.SECRET_UNREADABLE is getattr(withheld, "reason", None)


async def test_a_bug_withholds_the_login_and_is_logged() -> None:
    class Broken(Source):
        def read(self) -> Secret:
            raise ZeroDivisionError

    bench = Bench()
    endpoint = replace(bench.endpoint, credentials=Credentials("c", "u", Broken()))
    with capture_logs() as logs:
        withheld = await bench.ask(endpoint)

    assert FailureReason.INTERNAL_ERROR is getattr(withheld, "reason", None)
    assert ["bug: preparing a login raised"] == [line["event"] for line in logs]


@pytest.mark.parametrize(("mode", "warnings"), [(0o644, 1), (0o640, 0)])
async def test_a_secret_that_everybody_may_read_is_warned_about_once(tmp_path: Path, mode: int, warnings: int) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    file.chmod(mode)
    clock = Clock()
    logins = Logins(clock, LoginBackoff())
    endpoint = replace(Bench().endpoint, credentials=Credentials("c", "u", FileSecret(file)))
    with capture_logs() as logs:
        for _ in range(3):
            await logins.for_probe(endpoint)
            clock.now += FRESH_FOR

    assert warnings == len(logs)
    assert all(str(file) in line["secret"] and "hunter2" not in repr(line) for line in logs)


async def test_what_is_no_longer_configured_is_forgotten() -> None:
    bench = Bench()
    await bench.log_in(rejected())
    await bench.log_in(rejected())
    bench.logins.configure([bench.credentials], LoginBackoff(300, 3600))
    assert 299.0 < (bench.wait or 0.0)
    bench.logins.configure([], LoginBackoff(300, 3600))

    assert 0.0 == bench.wait
    assert isinstance(await bench.ask(), Login)


async def test_a_changed_backoff_holds_from_the_next_rejection_on() -> None:
    bench = Bench()
    bench.logins.configure([bench.credentials], LoginBackoff(7, 70))
    await bench.log_in(rejected())
    await bench.log_in(rejected())

    assert 7.0 == bench.wait


async def test_closing_ends_a_request_that_is_under_way() -> None:
    begun = asyncio.Event()

    async def never(_client: OAuth2Client, _material: Material) -> TokenAnswer:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    bench = Bench()
    logins = Logins(bench.clock, LoginBackoff(), fetch=never)
    asking = asyncio.create_task(logins.for_probe(bench.endpoint))
    await begun.wait()
    await logins.close()
    await asyncio.gather(asking, return_exceptions=True)

    assert {asyncio.current_task()} == asyncio.all_tasks()
