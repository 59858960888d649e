"""The web configuration: what a file means, what is wrong with one, and what becomes of it when it changes."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from exporter.config.problems import ConfigurationError
from exporter.web.policy.cipher_suites import CIPHER_SUITES, TLS1_3
from exporter.web.policy.policy import ClientAuth, RateLimit, TlsSettings, WebConfig
from exporter.web.policy.policy_file import PolicyFile
from exporter.web.policy.policy_schema import (
    HttpServerSection,
    RateLimitSection,
    TlsServerSection,
    WebConfigSection,
)
from tests.unit.web_configuring import GOOD, HASH, TLS, renew, write

FOLDER = Path(__file__).parent / "bad_web_configs"


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        PolicyFile(path)
    return [str(problem) for problem in raised.value.problems]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def directory(tmp_path: Path, authority: trustme.CA) -> Path:
    """With server.crt, server.key and ca.crt."""
    renew(tmp_path, authority)
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    return tmp_path


def weak() -> bytes:
    """A certificate with a key that is too short to be taken."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=3650))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return pem + key.private_bytes(*form)


@pytest.mark.parametrize("file", sorted(FOLDER.iterdir()), ids=lambda file: file.stem)
def test_a_bad_file_meets_with_exactly_its_messages(file: Path) -> None:
    expected = re.findall(r"^#! (\d+: .*)$", file.read_text(), re.MULTILINE)

    assert [f"{file}:{message}" for message in expected] == problems_of(file)
    assert expected


def test_no_message_repeats_a_password() -> None:
    for file in FOLDER.iterdir():
        assert "hunter2" not in "".join(problems_of(file))


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}\n", "tls_server_config: {}\n", "rate_limit: {interval: 0, burst: 0}\n"]
)
def test_a_file_that_says_nothing_changes_nothing(tmp_path: Path, text: str) -> None:
    policy = PolicyFile(write(tmp_path, text)).policy

    assert (WebConfig(), None) == (policy.config, policy.context)


def test_everything_is_read(directory: Path) -> None:
    file = write(
        directory,
        f"""\
tls_server_config:
  cert_file: server.crt
  key_file: {directory}/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example.com, 192.0.2.1]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP256]
http_server_config:
  http2: false
  headers: {{X-Frame-Options: sameorigin, X-XSS-Protection: "", Strict-Transport-Security: max-age=31536000}}
basic_auth_users: {{alice: {HASH}}}
rate_limit: {{interval: 1m1.5s, burst: 20}}
""",
    )

    config = PolicyFile(file).policy.config

    assert config == WebConfig(
        tls=TlsSettings(
            cert_file=directory / "server.crt",
            key_file=directory / "server.key",
            client_auth=ClientAuth.REQUIRE,
            client_ca_file=directory / "ca.crt",
            client_allowed_sans=frozenset({"prometheus.example.com", "192.0.2.1"}),
            cipher_suites=("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_AES_128_GCM_SHA256"),
            prefer_server_cipher_suites=False,
            curves=("prime256v1",),
        ),
        headers={"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=31536000"},
        users={"alice": HASH.encode()},
        rate_limit=RateLimit(61.5, 20),
    )


@pytest.mark.parametrize(
    ("written", "seconds"), [("1s", 1.0), ("500ms", 0.5), ("1.5h", 5400.0), ("1h0m1s", 3601.0), ("100us", 0.0001)]
)
def test_an_interval_is_written_as_go_writes_it(tmp_path: Path, written: str, seconds: float) -> None:
    limit = PolicyFile(write(tmp_path, f"rate_limit: {{interval: {written}, burst: 1}}")).policy.config.rate_limit

    assert limit is not None
    assert limit.interval == pytest.approx(seconds)


def test_tls_is_as_it_was_asked_for(directory: Path) -> None:
    settings = "  min_version: TLS13\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
    context = PolicyFile(write(directory, TLS + settings)).policy.context

    assert context is not None
    assert (ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED) == (context.minimum_version, context.verify_mode)
    assert [1] == [len(context.get_ca_certs())]


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("NoClientCert", ssl.CERT_NONE),
        ("RequestClientCert", ssl.CERT_NONE),
        ("VerifyClientCertIfGiven\n  client_ca_file: ca.crt", ssl.CERT_OPTIONAL),
        ("RequireAndVerifyClientCert\n  client_ca_file: ca.crt", ssl.CERT_REQUIRED),
    ],
)
def test_clients_are_asked_for_certificates_as_written(directory: Path, written: str, mode: ssl.VerifyMode) -> None:
    context = PolicyFile(write(directory, f"{TLS}  client_auth_type: {written}\n")).policy.context

    assert context is not None
    assert mode is context.verify_mode


IANA = {
    "TLS_RSA_WITH_AES_128_CBC_SHA": 0x002F,
    "TLS_RSA_WITH_AES_256_CBC_SHA": 0x0035,
    "TLS_RSA_WITH_AES_128_GCM_SHA256": 0x009C,
    "TLS_RSA_WITH_AES_256_GCM_SHA384": 0x009D,
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": 0xC009,
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": 0xC00A,
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": 0xC013,
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": 0xC014,
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": 0xC02B,
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": 0xC02C,
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": 0xC02F,
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": 0xC030,
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": 0xCCA8,
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": 0xCCA9,
}
"""The numbers that RFC 5246, RFC 5288, RFC 8422, RFC 5289 and RFC 7905 give the suites."""


@pytest.mark.parametrize("suite", sorted(CIPHER_SUITES.keys() - TLS1_3))
def test_a_cipher_suite_has_the_number_of_its_name(directory: Path, suite: str) -> None:
    context = PolicyFile(write(directory, f"{TLS}  cipher_suites: [{suite}]\n")).policy.context

    assert context is not None
    chosen = [cipher["id"] & 0xFFFF for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert [IANA[suite]] == chosen


def test_suites_of_tls_1_3_alone_mean_tls_1_3_alone(directory: Path) -> None:
    context = PolicyFile(write(directory, f"{TLS}  cipher_suites: [TLS_AES_128_GCM_SHA256]\n")).policy.context

    assert context is not None
    assert ssl.TLSVersion.TLSv1_3 is context.minimum_version


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            "cert_file: nowhere.crt\n  key_file: server.key",
            'cert_file: there is no file "{}/nowhere.crt"; relative paths',
        ),
        (
            "cert_file: server.crt\n  key_file: nowhere.key",
            'key_file: there is no file "{}/nowhere.key"; relative paths',
        ),
        ("cert_file: server.key\n  key_file: server.key", 'cert_file: "{}/server.key" holds no certificate in PEM'),
        ("cert_file: server.crt\n  key_file: server.crt", 'key_file: "{}/server.crt" holds no private key in PEM'),
        ("cert_file: server.crt\n  key_file: other.key", 'key_file: the key in "{}/other.key" belongs to another'),
        ("cert_file: server.crt\n  key_file: locked.key", 'key_file: the key in "{}/locked.key" is encrypted'),
        (
            "cert_file: weak.pem\n  key_file: weak.pem",
            "cert_file: OpenSSL does not take this certificate and key (ee key",
        ),
        ("cert_file: .\n  key_file: server.key", 'cert_file: "{}" cannot be read (Is a directory)'),
        (
            f"{GOOD}\n  client_ca_file: server.key\n  client_auth_type: RequireAndVerifyClientCert",
            'client_ca_file: "{}/server.key" holds no certificate in PEM',
        ),
        (
            f"{GOOD}\n  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]",
            "cipher_suites: are all of TLS 1.3, above max_version",
        ),
    ],
)
def test_what_is_wrong_with_a_file_that_it_names_is_told_at_the_key(
    directory: Path, authority: trustme.CA, settings: str, says: str
) -> None:
    authority.issue_cert("other").private_key_pem.write_to_path(directory / "other.key")
    key = serialization.load_pem_private_key((directory / "server.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"hunter2")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (directory / "locked.key").write_bytes(key.private_bytes(*form, locked))

    (directory / "weak.pem").write_bytes(weak())

    (problem,) = problems_of(write(directory, f"tls_server_config:\n  {settings}\n"))

    assert f"tls_server_config.{says.format(directory)}" in problem


def test_all_missing_files_are_told_in_one_go(directory: Path) -> None:
    files = "cert_file: a.crt\n  key_file: b.key\n  client_ca_file: c.pem"
    web_config = f"tls_server_config:\n  {files}\n  client_auth_type: RequireAndVerifyClientCert\n"

    problems = problems_of(write(directory, web_config))

    told = [re.sub(r".*tls_server_config\.(\w+): there is no file .*", r"\1", problem) for problem in problems]
    assert ["cert_file", "key_file", "client_ca_file"] == told


@pytest.mark.skipif(hasattr(ssl.SSLContext, "set_groups"), reason="this Python can keep to several curves")
def test_several_curves_are_refused_where_python_cannot_keep_to_them(directory: Path) -> None:
    (problem,) = problems_of(write(directory, f"{TLS}  curve_preferences: [X25519, CurveP256]\n"))

    assert "curve_preferences: Python before 3.15 can keep to one curve, or to OpenSSL's choice" in problem


def test_every_key_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "web-configuration.md").read_text()

    for name in WebConfigSection.model_fields:
        assert f"\n## {name}\n" in page
    for section in (TlsServerSection, HttpServerSection, RateLimitSection):
        for key in section.model_fields:
            assert re.search(rf"^\| .*`{key}`", page, re.MULTILINE), key


def test_the_example_on_the_page_is_good(directory: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "web-configuration.md").read_text()
    text = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]

    policy = PolicyFile(write(directory, text)).policy

    assert ["prometheus"] == list(policy.config.users)
    assert policy.config.tls is not None
    assert ClientAuth.REQUIRE is policy.config.tls.client_auth
