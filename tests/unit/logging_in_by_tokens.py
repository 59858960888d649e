"""An endpoint that logs in by tokens, with a token endpoint and a clock of its own, for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.model import (
    Credentials,
    Encryption,
    Endpoint,
    Facts,
    Failure,
    FailureReason,
    Login,
    LoginBackoff,
    Mechanism,
    OAuth2Client,
    OAuth2Provider,
    Phase,
    ProbeResult,
    Protocol,
    Secret,
    Withheld,
)
from exporter.protocol.oauth2 import Material, TokenAnswer
from exporter.visiting.logins import Logins
from exporter.visiting.reading import FRESH_FOR
from tests.clock import Clock


@dataclass(eq=False)
class Source:
    """A secret that can be rotated and lost."""

    value: bytes | None = b"client secret"

    def read(self) -> Secret:
        if self.value is None:
            raise OSError("the secret file '/run/secrets/contoso' is empty")
        return Secret(self.value)


def succeeded() -> ProbeResult:
    return ProbeResult("e", 0.0, 0.1, (), None, facts=Facts(auth_mechanism=Mechanism.XOAUTH2, auth_success=True))


def rejected() -> ProbeResult:
    failure = Failure(FailureReason.AUTH_REJECTED, Phase.AUTH, "535 5.7.3 no")
    return ProbeResult("e", 0.0, 0.1, (), failure, facts=Facts(auth_mechanism=Mechanism.XOAUTH2, auth_success=False))


@dataclass
class Bench:
    """An endpoint that logs in by tokens, at hand for a test to play its server and its token endpoint.

    Attributes:
        fetched: How many tokens were.
        token: What the token endpoint makes of that number.
    """

    clock: Clock = field(default_factory=Clock)
    source: Source = field(default_factory=Source)
    token: Callable[[int], bytes] = lambda number: b"token-%d" % number
    fails: Exception | None = None
    fetched: int = 0

    def __post_init__(self) -> None:
        self.logins = Logins(self.clock, LoginBackoff(300, 3600), fetch=self.fetch)
        client = OAuth2Client(
            OAuth2Provider.CUSTOM, "https://idp.example.com/", client_id="i", client_secret=self.source
        )
        self.credentials = Credentials("contoso", "m@contoso.com", oauth2=client)
        self.endpoint = Endpoint(
            "e", Protocol.IMAP, "mail.example.com", 993, Encryption.TLS, credentials=self.credentials
        )

    async def fetch(self, client: OAuth2Client, material: Material) -> TokenAnswer:
        assert (self.credentials.oauth2, Material(client_secret=self.source.read())) == (client, material)
        self.fetched += 1
        if self.fails is not None:
            raise self.fails
        return TokenAnswer(Secret(self.token(self.fetched)), 1e6, None)

    async def ask(self, endpoint: Endpoint | None = None) -> Login | Withheld | None:
        self.clock.now += FRESH_FOR
        return await self.logins.for_probe(endpoint or self.endpoint)

    async def log_in(self, result: ProbeResult, endpoint: Endpoint | None = None) -> Login | Withheld | None:
        login = await self.ask(endpoint)
        self.logins.learn(endpoint or self.endpoint, login, result)
        return login

    @property
    def wait(self) -> float | None:
        return self.logins.retry_in(self.endpoint)
