"""A search for secrets in everything that the product shows, while servers repeat to it whatever they get to hear.

Passwords and tokens, right and wrong, go to mail servers that echo them in every form, and client secrets to a token
endpoint that does. Then every log line, metric, page, transcript, command line and process title is searched.
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_from_bytes, quote_plus

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from exporter.model import Mechanism, Protocol
from tests.servers.authorisation import Answer, AuthorisationServer, Client, Request, authorisation
from tests.servers.authority import Authority
from tests.servers.exporter import Exporter, exporter_running, run_command
from tests.servers.fetching import fetch
from tests.servers.programs import LOOPBACK, free_ports, running, wait_until
from tests.servers.repeating import repeats, repeats_in_a_challenge, repeats_the_request
from tests.servers.scripted import FakeServer, Script, scripted, server_context

PASSWORD = 'pä55 "w/o+rd%21\\'
WRONG = "wr0ng/pass+word?"
CLIENT_SECRET = "cl13nt~s&cr:t/+="
WRONG_CLIENT_SECRET = "m1staken~s&cr:t/+="
REFRESH_TOKEN = "1//0refresh-t0ken_abc"
SCHEMES: Mapping[Protocol, str] = {Protocol.SMTP: "submissions", Protocol.IMAP: "imaps", Protocol.POP3: "pop3s"}


@dataclass
class Stage:
    """What the daemon is told, and what it must not tell.

    Attributes:
        secrets: Every one, with what it is.
        endpoints: As in the configuration.
    """

    directory: Path
    authority: Authority
    idp: AuthorisationServer
    secrets: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, object] = field(default_factory=dict)
    endpoints: list[dict[str, object]] = field(default_factory=list)
    servers: list[FakeServer] = field(default_factory=list)

    def secret_file(self, name: str, content: str) -> str:
        """The path of a file with a secret."""
        self.secrets[name] = content
        file = self.directory / f"{len(self.secrets)}.secret"
        file.write_text(content)
        # Everybody may read it, which is warned about.
        file.chmod(0o644)
        return str(file)

    def client(self, name: str, **keys: object) -> None:
        """An entry of the credentials that gets tokens."""
        oauth2 = {"provider": "custom", "token_url": self.idp.token_url, **keys}
        self.credentials[name] = {"username": f"{name}@example.com", "oauth2": oauth2}

    def endpoint(self, server: FakeServer, protocol: Protocol, credentials: str, mechanism: Mechanism) -> None:
        """One that logs in, every second."""
        self.servers.append(server)
        self.endpoints.append(
            {
                "name": f"{len(self.endpoints)} {protocol} {credentials} {mechanism}",
                "url": f"{SCHEMES[protocol]}://{LOOPBACK}:{server.port}",
                "tls": {"ca_file": str(self.authority.file)},
                "credentials": credentials,
                "mechanism": mechanism.value,
                "interval": "1s",
            }
        )

    def configuration(self) -> str:
        return yaml.safe_dump(
            {
                "credentials": self.credentials,
                "endpoints": self.endpoints,
                "login_backoff": {"initial": "1s", "max": "1s"},
                "limits": {"connections_per_host": 100},
                "modules": {
                    "m": {
                        "url": "imaps://",
                        "credentials": "right",
                        "allowed_targets": [LOOPBACK],
                        "tls": {"ca_file": str(self.authority.file)},
                    }
                },
            },
            allow_unicode=True,
        )


@pytest.fixture
def idp() -> Iterator[AuthorisationServer]:
    with authorisation() as server:
        yield server


@asynccontextmanager
async def staged(directory: Path, authority: Authority, idp: AuthorisationServer) -> AsyncIterator[Stage]:
    """Every kind of secret, each at servers that repeat it."""
    context = server_context(authority.issue("leaks", names=[LOOPBACK]))
    stage = Stage(directory, authority, idp)
    stage.credentials["right"] = {"username": "r", "password_file": stage.secret_file("password", PASSWORD)}
    stage.secrets["inline password"] = WRONG
    stage.credentials["wrong"] = {"username": "w", "password": WRONG}
    idp.clients["monitor"] = Client("tokens@example.com", CLIENT_SECRET)
    idp.refresh_tokens[REFRESH_TOKEN] = "monitor"
    idp.rotate = True
    secret = stage.secret_file("client secret", CLIENT_SECRET)
    stage.client("tokens", client_id="monitor", client_secret_file=secret)
    stage.client(
        "refreshed",
        client_id="monitor",
        client_secret=CLIENT_SECRET,
        authentication="client_secret_post",
        refresh_token_file=stage.secret_file("refresh token", REFRESH_TOKEN),
    )
    wrong = stage.secret_file("wrong client secret", WRONG_CLIENT_SECRET)
    stage.client("mistaken", client_id="mistaken", client_secret_file=wrong)
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    stage.client("signing", client_id="signing", private_key_file=stage.secret_file("private key", pem))
    account = json.dumps({"client_email": "a@p.example.com", "private_key": pem})
    stage.client("account", service_account_file=stage.secret_file("service account", account))
    # Whatever the clients that cannot get a token say is repeated to them.
    idp.instead = lambda request: None if _is_known(request) else repeats_the_request(request)
    async with AsyncExitStack() as stack:

        async def serving(script: Script) -> FakeServer:
            return await stack.enter_async_context(scripted(script, tls=context, implicit=True))

        for protocol in Protocol:
            for mechanism in (Mechanism.PLAIN, Mechanism.LOGIN):
                stage.endpoint(await serving(repeats(protocol, mechanism, takes=True)), protocol, "right", mechanism)
                stage.endpoint(await serving(repeats(protocol, mechanism, takes=False)), protocol, "wrong", mechanism)
            for mechanism in (Mechanism.XOAUTH2, Mechanism.OAUTHBEARER):
                stage.endpoint(await serving(repeats(protocol, mechanism, takes=True)), protocol, "tokens", mechanism)
                server = await serving(repeats(protocol, mechanism, takes=False))
                stage.endpoint(server, protocol, "refreshed", mechanism)
            stage.endpoint(await serving(repeats_in_a_challenge(protocol)), protocol, "tokens", Mechanism.XOAUTH2)
            unable = await serving(repeats(protocol, Mechanism.XOAUTH2, takes=False))
            for credentials in ("mistaken", "signing", "account"):
                stage.endpoint(unable, protocol, credentials, Mechanism.XOAUTH2)
        pop3 = await serving(repeats(Protocol.POP3, Mechanism.PLAIN, takes=False))
        stage.endpoint(pop3, Protocol.POP3, "wrong", Mechanism.USERPASS)
        yield stage


def _is_known(request: Request) -> bool:
    shown = request.authorization or ""
    return request.form.get("client_id") == "monitor" or "bW9uaXRvc" in shown


def shown_by(exporter: Exporter, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Everything that can be asked of a daemon, and of the system about it."""
    paths = ["/", "/metrics", "/api/v1/endpoints", "/config", "/nowhere"]
    for name in names:
        escaped = quote(name, safe="")
        paths += [f"/endpoints/{escaped}", f"/api/v1/endpoints/{escaped}"]
        paths.append(f"/probe?endpoint={escaped}&debug=true")
    for path in paths:
        yield path, fetch(f"{exporter.url}{path}", timeout=30).body
    openmetrics = {"Accept": "application/openmetrics-text"}
    yield "/metrics as OpenMetrics", fetch(f"{exporter.url}/metrics", openmetrics).body
    process = Path(f"/proc/{exporter.process.pid}")
    for name in ("cmdline", "comm"):
        yield name, (process / name).read_bytes()
    for thread in (process / "task").iterdir():
        yield f"title of thread {thread.name}", (thread / "comm").read_bytes()


def probed(exporter: Exporter, names: list[str], times: int) -> bool:
    """Whether each endpoint has been probed that often."""
    metrics = exporter.metrics()
    return all((metrics.get("mail_probes_total", endpoint=name) or 0) >= times for name in names)


def collect(stage: Stage, log_format: str) -> dict[str, bytes]:
    """All that the daemon and the other commands show, by where."""
    file = stage.directory / f"{log_format}.yaml"
    file.write_text(stage.configuration())
    names = [str(endpoint["name"]) for endpoint in stage.endpoints]
    with exporter_running(
        file, "--log.level=debug", f"--log.format={log_format}", "--web.enable-lifecycle"
    ) as exporter:
        wait_until(lambda: probed(exporter, names, 3), what="each endpoint was probed three times", within=240)
        seen = dict(shown_by(exporter, names))
        (server, *_) = stage.servers
        target = f"/probe?module=m&target={LOOPBACK}:{server.port}&debug=true"
        seen[target] = fetch(f"{exporter.url}{target}").body
        exporter.stop()
        seen[f"log as {log_format}"] = exporter.log.read_bytes()
    return seen


def commands(stage: Stage) -> Iterator[tuple[str, bytes]]:
    """What the commands that end by themselves print."""
    file = stage.directory / "commands.yaml"
    file.write_text(stage.configuration())
    checked = run_command("check", file)
    yield "check", (checked.stdout + checked.stderr).encode()
    for endpoint in stage.endpoints[:: len(stage.endpoints) // 3]:
        for flags in ((), ("--json",)):
            ended = run_command("probe", str(endpoint["name"]), f"--config.file={file}", *flags)
            yield f"probe {endpoint['name']} {flags}", (ended.stdout + ended.stderr).encode()


def needles(secret: str) -> set[bytes]:
    """What a secret can be found by: itself, whatever of it is the same wherever it lies in base64, and in a URL."""
    octets = secret.encode()
    plain = {octets, quote_plus(octets).encode(), quote_from_bytes(octets, safe="").encode()}
    plain |= {form.lower() for form in plain if b"%" in form}
    found = set(plain)
    for form in plain:
        for before in range(3):
            for encode in (b64encode, urlsafe_b64encode):
                whole = encode(bytes(before) + form)
                found.add(whole[-(-before * 8 // 6) : (before + len(form)) * 8 // 6])
    return found


def leaks(secrets: Mapping[str, str], seen: Mapping[str, bytes]) -> list[str]:
    return [
        f"{what} in {where}: {text[max(at - 80, 0) : at + 40]!r}"
        for what, secret in secrets.items()
        for needle in needles(secret)
        for where, text in seen.items()
        if (at := text.find(needle)) >= 0
    ]


@pytest.mark.timeout(900)
async def test_no_secret_is_shown_anywhere(
    tmp_path: Path, authority: Authority, idp: AuthorisationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # asyncio says more about what it does.
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    async with staged(tmp_path, authority, idp) as stage:
        issued: dict[str, str] = {}
        grant = idp.token

        def remembering(request: Request) -> Answer:
            answer = grant(request)
            document = json.loads(answer.body)
            for key in ("access_token", "refresh_token"):
                if key in document:
                    issued[f"{key} {len(issued)}"] = document[key]
            issued.update(
                {f"{key} {len(issued)}": value for key, value in request.form.items() if key.endswith("assertion")}
            )
            return answer

        monkeypatch.setattr(AuthorisationServer, "token", lambda _, request: remembering(request))
        seen: dict[str, bytes] = {}
        for log_format in ("logfmt", "json"):
            seen |= await asyncio.to_thread(collect, stage, log_format)
        seen |= await asyncio.to_thread(lambda: dict(commands(stage)))
        heard = b"".join(server.received for server in stage.servers)

    secrets = {**stage.secrets, **issued}
    # The search would find them: the servers and the token endpoint have heard, and repeated, every kind.
    for secret in (PASSWORD, WRONG):
        assert any(needle in heard for needle in needles(secret))
    tokens = [text for what, text in issued.items() if what.startswith("access_token")]
    assert any(needle in heard for token in tokens for needle in needles(token))
    assert {"access_token", "refresh_token", "assertion", "client_assertion"} <= {what.split()[0] for what in issued}
    pages = b"".join(seen.values())
    assert b"&lt;redacted&gt;" in pages
    assert b"refuses: invalid_client: AADSTS7: " in pages
    assert [] == leaks(secrets, seen)


BROKEN = """
import sys
import exporter.net.http.token_endpoint
import exporter.visiting.notes
from exporter.cli import main

def broken(*arguments):
    raise ZeroDivisionError

exporter.visiting.notes.ProbeNotes.sent = broken
exporter.net.http.token_endpoint.token_answer = broken
main(sys.argv[1:], prog_name="mail-exporter")
"""
"""The product with two bugs, where passwords and client secrets are in all the frames that a traceback goes through."""


@pytest.mark.timeout(900)
async def test_no_traceback_shows_a_secret(tmp_path: Path, authority: Authority, idp: AuthorisationServer) -> None:
    async with staged(tmp_path, authority, idp) as stage:
        file, log = tmp_path / "broken.yaml", tmp_path / "broken.log"
        file.write_text(stage.configuration())
        (port,) = free_ports(1)
        url = f"http://{LOOPBACK}:{port}"
        arguments = [f"--config.file={file}", f"--web.listen-address={LOOPBACK}:{port}", "--log.level=debug"]

        def broke() -> bool:
            told = log.read_bytes()
            return b"bug: fetching a token raised" in told and b"bug: a probe raised" in told

        def run() -> bytes:
            command = [sys.executable, "-c", BROKEN, "run", *arguments]
            with running(command, log=log, ready=lambda: fetch(f"{url}/-/ready").status == 200):
                wait_until(broke, what="both bugs have shown themselves", within=240)
            return log.read_bytes()

        told = await asyncio.to_thread(run)

    assert 2 <= told.count(b"ZeroDivisionError")
    assert [] == leaks(stage.secrets, {"log": told})
