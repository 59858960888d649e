"""The kinds of values that keys can have, as pydantic annotations with their parser and JSON schema.

The parsers are in `values`, and the keys in `schema` and `endpoint_schema`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from exporter.config.problems import quoted
from exporter.config.values import plain_text
from exporter.config.values.allowed import NamePattern, Network, parse_allowed
from exporter.config.values.durations import PATTERN, format_duration, parse_duration
from exporter.config.values.hosts import parse_address, parse_domain, parse_host, parse_selector, parse_target_host
from exporter.config.values.label_names import (
    LABEL_NAME,
    RESERVED_DOMAIN_LABELS,
    RESERVED_FLOW_LABELS,
    RESERVED_LABELS,
    label_name,
    label_value,
)
from exporter.config.values.urls import MAX_PORT, SCHEMES, MailUrl, parse_module_url, parse_proxy, parse_url
from exporter.model import (
    Addresses,
    AuthMethod,
    AuthResult,
    DomainCheck,
    Encryption,
    IpFamily,
    Mechanism,
    OAuth2Authentication,
    OAuth2Provider,
    Protocol,
    Proxy,
    ProxyScheme,
    Secret,
    Source,
    TlsVersion,
)


def key(meaning: str, example: Any, default: Any = None, *, alias: str | None = None) -> Any:
    """Defines a key of the file, with its text in the reference.

    Args:
        meaning: The description.
        example: An example value, as written in the file.
        default: The value that applies without the key, as written in the file.
        alias: The key in the file, if Python reserves that word.
    """
    return Field(
        default=None, description=meaning, examples=[example], json_schema_extra={"default": default}, alias=alias
    )


class Section(BaseModel):
    """A mapping of the file with known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Text:
    """Marks a value that is written as text and parsed by a function.

    Attributes:
        parse: Parses the text. The message of its `ValueError` becomes the problem.
        pattern: A regular expression for the JSON schema; `None` to accept any text there.
    """

    parse: Callable[[str], object]
    pattern: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string"} | ({"pattern": self.pattern} if self.pattern else {})

    def _read(self, value: object) -> object:
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        return self.parse(value)


@dataclass(frozen=True, slots=True)
class Duration:
    """Parses a duration within bounds to seconds.

    Attributes:
        shortest: The lower bound, in seconds.
        longest: The upper bound, in seconds.
        instead: An example for messages.
    """

    shortest: float
    longest: float
    instead: str

    def __call__(self, written: str) -> float:
        # "write 0s" would help nobody.
        seconds = int(written) if re.fullmatch("[0-9]{1,9}", written) else parse_duration(written)
        if not self.shortest <= seconds <= self.longest:
            bounds = f"{format_duration(self.shortest)} to {format_duration(self.longest)}"
            raise ValueError(f"{quoted(written)} is outside {bounds}; write for example {self.instead}")
        return parse_duration(written)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Checks that a text is the value of an enumeration member."""

    members: type[StrEnum]

    def __call__(self, written: object) -> object:
        """Returns the value, which pydantic converts to the member."""
        values = tuple(member.value for member in self.members)
        if not isinstance(written, str):
            raise PydanticKnownError("string_type")
        if written not in values:
            # The message lists all values and guesses none, because the nearest word may be the weakest choice.
            raise ValueError(f"{quoted(written)} is not known here; write one of {', '.join(values)}")
        return written


@dataclass(frozen=True, slots=True)
class SecretText:
    """Parses a secret in the configuration itself, under this key."""

    key: str

    def __call__(self, written: str) -> Secret:
        return Secret(plain_text.secret(written, self.key).encode())


def _path(written: str) -> Path:
    return Path(plain_text.path(written))


def _label_name(reserved: Collection[str]) -> Text:
    return Text(partial(label_name, reserved=reserved))


def _labels_schema(reserved: Collection[str]) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": LABEL_NAME, "not": {"enum": sorted(reserved)}},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }
    )


Interval: TypeAlias = Annotated[float, Text(Duration(1, 24 * 3600, "60s"), PATTERN)]
Timeout: TypeAlias = Annotated[float, Text(Duration(0.001, 24 * 3600, "15s"), PATTERN)]
LookupTimeout: TypeAlias = Annotated[float, Text(Duration(0.001, 60, "5s"), PATTERN)]
Url: TypeAlias = Annotated[MailUrl, Text(parse_url, f"^({'|'.join(s.name for s in SCHEMES)})://[^/?#@]+$")]
ModuleUrl: TypeAlias = Annotated[MailUrl, Text(parse_module_url, f"^({'|'.join(s.name for s in SCHEMES)})://[^/?#@]*$")]
AllowedTarget: TypeAlias = Annotated[NamePattern | Network, Text(parse_allowed, r"^(\*\.)?[^\s*?#@]+$")]
Host: TypeAlias = Annotated[str, Text(parse_host, r"^[^\s/?#@]+$")]
TargetHost: TypeAlias = Annotated[str, Text(parse_target_host, r"^[^\s/?#@]+$")]
Port: TypeAlias = Annotated[int, Field(ge=1, le=MAX_PORT)]
Address: TypeAlias = Annotated[str, Text(parse_address)]
ProxyUrl: TypeAlias = Annotated[Proxy, Text(parse_proxy, f"^({'|'.join(ProxyScheme)})://[^/?#@]+:[0-9]+$")]
NameserverAddress: TypeAlias = Annotated[tuple[str, int], Text(plain_text.nameserver)]
Name: TypeAlias = Annotated[str, Text(plain_text.name)]
Mailbox: TypeAlias = Annotated[str, Text(plain_text.plain)]
PlainText: TypeAlias = Annotated[str, Text(plain_text.plain)]
LabelValue: TypeAlias = Annotated[str, Text(label_value)]
Labels: TypeAlias = Annotated[
    dict[Annotated[str, _label_name(RESERVED_LABELS)], LabelValue], _labels_schema(RESERVED_LABELS)
]
FlowLabels: TypeAlias = Annotated[
    dict[Annotated[str, _label_name(RESERVED_FLOW_LABELS)], LabelValue], _labels_schema(RESERVED_FLOW_LABELS)
]
DomainLabels: TypeAlias = Annotated[
    dict[Annotated[str, _label_name(RESERVED_DOMAIN_LABELS)], LabelValue], _labels_schema(RESERVED_DOMAIN_LABELS)
]
FilePath: TypeAlias = Annotated[Path, Text(_path)]
VariableName: TypeAlias = Annotated[str, Text(plain_text.variable_name, plain_text.VARIABLE_NAME)]
InlinePassword: TypeAlias = Annotated[Secret, Text(SecretText("password"))]
InlineClientSecret: TypeAlias = Annotated[Secret, Text(SecretText("client_secret"))]
InlineRefreshToken: TypeAlias = Annotated[Secret, Text(SecretText("refresh_token"))]
TokenUrl: TypeAlias = Annotated[str, Text(plain_text.token_url, r"^https?://[^\s#@]+$")]
Scope: TypeAlias = Annotated[str, Text(plain_text.scope, plain_text.SCOPE)]
Tenant: TypeAlias = Annotated[str, Text(plain_text.tenant, plain_text.TENANT)]
Backoff: TypeAlias = Annotated[float, Text(Duration(1, 24 * 3600, "5m"), PATTERN)]
Helo: TypeAlias = Annotated[str, Text(plain_text.helo)]
MailAddress: TypeAlias = Annotated[str, Text(plain_text.mail_address)]
ReversePath: TypeAlias = Annotated[str, Text(plain_text.reverse_path)]
Capability: TypeAlias = Annotated[str, Text(plain_text.capability)]
Fingerprint: TypeAlias = Annotated[str, Text(plain_text.fingerprint, plain_text.FINGERPRINT)]
FlowAddress: TypeAlias = Annotated[str, Text(plain_text.flow_address)]
InlineFlowKey: TypeAlias = Annotated[Secret, Text(SecretText("flow_key"))]
Patience: TypeAlias = Annotated[float, Text(Duration(1, 7 * 24 * 3600, "1h"), PATTERN)]
Promptness: TypeAlias = Annotated[float, Text(Duration(0.1, 7 * 24 * 3600, "2m"), PATTERN)]
Rhythm: TypeAlias = Annotated[float, Text(Duration(1, 365 * 24 * 3600, "26h"), PATTERN)]
DomainName: TypeAlias = Annotated[str, Text(parse_domain, r"^[^\s/?#@]+$")]
Selector: TypeAlias = Annotated[str, Text(parse_selector)]
Judging: TypeAlias = Annotated[float, Text(Duration(0.1, 600, "30s"), PATTERN)]
ReadBack: TypeAlias = Annotated[int, Field(ge=1, le=100)]
ReplyCode: TypeAlias = Annotated[int, Field(ge=200, le=599)]
ProbesAtOnce: TypeAlias = Annotated[int, Field(ge=1, le=10_000)]
ConnectionsAtOnce: TypeAlias = Annotated[int, Field(ge=1, le=1_000)]

OneProtocol: TypeAlias = Annotated[Protocol, BeforeValidator(OneOf(Protocol))]
OneEncryption: TypeAlias = Annotated[Encryption, BeforeValidator(OneOf(Encryption))]
OneMechanism: TypeAlias = Annotated[Mechanism, BeforeValidator(OneOf(Mechanism))]
OneIpFamily: TypeAlias = Annotated[IpFamily, BeforeValidator(OneOf(IpFamily))]
OneAddresses: TypeAlias = Annotated[Addresses, BeforeValidator(OneOf(Addresses))]
OneTlsVersion: TypeAlias = Annotated[TlsVersion, BeforeValidator(OneOf(TlsVersion))]
OneOAuth2Provider: TypeAlias = Annotated[OAuth2Provider, BeforeValidator(OneOf(OAuth2Provider))]
OneOAuth2Authentication: TypeAlias = Annotated[OAuth2Authentication, BeforeValidator(OneOf(OAuth2Authentication))]
OneSource: TypeAlias = Annotated[Source, BeforeValidator(OneOf(Source))]
OneDomainCheck: TypeAlias = Annotated[DomainCheck, BeforeValidator(OneOf(DomainCheck))]
OneAuthMethod: TypeAlias = Annotated[AuthMethod, BeforeValidator(OneOf(AuthMethod))]
OneAuthResult: TypeAlias = Annotated[AuthResult, BeforeValidator(OneOf(AuthResult))]
