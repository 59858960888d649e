"""The scenes of the demo: each scene's server, its configuration, and the expected result.

Values only. stage.py puts the scenes on; the tests hold the daemon to the expectations.
"""

from __future__ import annotations

from typing import Final

from exporter.demo.scene import CertificateKind, ExpectedFailure, Password, Scene
from exporter.demo.site import Behaviour, Greeting, LoginService, Quota, Upgrade
from exporter.model import Encryption, FailureReason, Phase, Protocol

SERVER_NAME: Final = "mail.demo.example"
"""The name of every server of the demo (RFC 2606 reserves the domain)."""

OTHER_NAME: Final = "mail.elsewhere.example"
"""The certificate's name in the scene of the wrong name."""

DOMAIN: Final = "demo.example"

RECIPIENT: Final = f"postmaster@{DOMAIN}"
UNKNOWN_RECIPIENT: Final = f"nobody@{DOMAIN}"
FOREIGN_RECIPIENT: Final = "someone@elsewhere.example"

INBOX: Final = "INBOX"
QUOTA: Final = Quota(root="User quota", used=812_340, limit=1_048_576)

INTERVAL: Final = 5.0
"""Seconds between two probes of a scene: short enough to watch."""

DELAY: Final = 0.25
"""Seconds that a slow server thinks before each answer."""

SCENES: Final[tuple[Scene, ...]] = (
    # All is well.
    Scene(
        "healthy-submission",
        "STARTTLS, a login, and a recipient that the server accepts",
        Protocol.SMTP,
        Encryption.STARTTLS,
        rcpt_to=RECIPIENT,
    ),
    Scene("healthy-submissions", "TLS from the first byte, and a login", Protocol.SMTP, Encryption.TLS),
    Scene(
        "healthy-imap",
        "STARTTLS, a login, and a mailbox with its quota",
        Protocol.IMAP,
        Encryption.STARTTLS,
        mailbox=INBOX,
    ),
    Scene(
        "healthy-imaps",
        "TLS from the first byte, a login, and a mailbox with its quota",
        Protocol.IMAP,
        Encryption.TLS,
        mailbox=INBOX,
    ),
    Scene("healthy-pop3", "STLS, a login, and the number of waiting messages", Protocol.POP3, Encryption.STARTTLS),
    Scene(
        "healthy-pop3s",
        "TLS from the first byte, a login, and the number of waiting messages",
        Protocol.POP3,
        Encryption.TLS,
    ),
    # These work, with something that the dashboards show.
    Scene(
        "slow-smtp",
        f"works, but waits {DELAY * 1000:.0f} ms before each answer",
        Protocol.SMTP,
        Encryption.STARTTLS,
        behaviour=Behaviour(delay=DELAY),
    ),
    Scene(
        "slow-imap",
        f"works, but waits {DELAY * 1000:.0f} ms before each answer",
        Protocol.IMAP,
        Encryption.TLS,
        behaviour=Behaviour(delay=DELAY),
    ),
    Scene(
        "expiring-imap",
        "works, with a certificate that has five days left",
        Protocol.IMAP,
        Encryption.TLS,
        certificate=CertificateKind.EXPIRING,
    ),
    # Certificates that no mail client should take.
    Scene(
        "expired-pop3",
        "the certificate expired yesterday",
        Protocol.POP3,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.TLS_CERTIFICATE_EXPIRED, Phase.TLS),
        certificate=CertificateKind.EXPIRED,
    ),
    Scene(
        "not-yet-valid-smtp",
        "the certificate begins tomorrow",
        Protocol.SMTP,
        Encryption.TLS,
        ExpectedFailure(FailureReason.TLS_CERTIFICATE_NOT_YET_VALID, Phase.TLS),
        certificate=CertificateKind.NOT_YET_VALID,
    ),
    Scene(
        "wrong-name-imap",
        f"the certificate is for {OTHER_NAME}",
        Protocol.IMAP,
        Encryption.TLS,
        ExpectedFailure(FailureReason.TLS_NAME_MISMATCH, Phase.TLS),
        certificate=CertificateKind.WRONG_NAME,
    ),
    Scene(
        "self-signed-smtp",
        "the server signed its certificate itself",
        Protocol.SMTP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.TLS_UNTRUSTED, Phase.TLS),
        certificate=CertificateKind.SELF_SIGNED,
    ),
    Scene(
        "unknown-authority-pop3",
        "an unknown authority signed the certificate",
        Protocol.POP3,
        Encryption.TLS,
        ExpectedFailure(FailureReason.TLS_UNTRUSTED, Phase.TLS),
        certificate=CertificateKind.UNKNOWN_AUTHORITY,
    ),
    # STARTTLS under attack: in none of these does the password leave.
    Scene(
        "stripped-smtp",
        "an attacker on the way removed STARTTLS, to get the password in plain text",
        Protocol.SMTP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.STARTTLS_NOT_OFFERED, Phase.STARTTLS),
        behaviour=Behaviour(upgrade=Upgrade.HIDDEN),
    ),
    Scene(
        "starttls-refused-imap",
        "STARTTLS is announced, and refused",
        Protocol.IMAP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.STARTTLS_REFUSED, Phase.STARTTLS),
        behaviour=Behaviour(upgrade=Upgrade.REFUSED),
    ),
    Scene(
        "injected-pop3",
        "an attacker on the way adds data before the handshake",
        Protocol.POP3,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.STARTTLS_INJECTION, Phase.STARTTLS),
        behaviour=Behaviour(upgrade=Upgrade.INJECTED),
    ),
    # Servers that turn us away, or are not there, or are not mail servers.
    Scene(
        "refusing-smtp",
        "greets with 554",
        Protocol.SMTP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.SERVER_REFUSED, Phase.GREETING),
        behaviour=Behaviour(greeting=Greeting.REFUSE),
    ),
    Scene(
        "refusing-imap",
        "greets with BYE",
        Protocol.IMAP,
        Encryption.TLS,
        ExpectedFailure(FailureReason.SERVER_REFUSED, Phase.GREETING),
        behaviour=Behaviour(greeting=Greeting.REFUSE),
    ),
    Scene(
        "refusing-pop3",
        "greets with -ERR",
        Protocol.POP3,
        Encryption.TLS,
        ExpectedFailure(FailureReason.SERVER_REFUSED, Phase.GREETING),
        behaviour=Behaviour(greeting=Greeting.REFUSE),
    ),
    Scene(
        "busy-smtp",
        "greets with 421: come back later",
        Protocol.SMTP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.SERVER_BUSY, Phase.GREETING),
        behaviour=Behaviour(greeting=Greeting.BUSY),
    ),
    Scene(
        "closed-port-pop3",
        "no program listens at the port",
        Protocol.POP3,
        Encryption.TLS,
        ExpectedFailure(FailureReason.CONNECT_REFUSED, Phase.CONNECT),
        listens=False,
    ),
    Scene(
        "stalling-imap",
        "accepts the connection and never sends anything",
        Protocol.IMAP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.TIMEOUT, Phase.GREETING),
        behaviour=Behaviour(greeting=Greeting.SILENCE),
        timeout=2.0,
    ),
    Scene(
        "hanging-up-smtp",
        "closes the connection when it is asked to log in",
        Protocol.SMTP,
        Encryption.TLS,
        ExpectedFailure(FailureReason.CONNECTION_CLOSED, Phase.AUTH),
        behaviour=Behaviour(hangs_up_on=b"AUTH"),
    ),
    Scene(
        "garbage-imap",
        "an SSH server answers instead of a mail server",
        Protocol.IMAP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.PROTOCOL_ERROR, Phase.GREETING),
        behaviour=Behaviour(greeting=Greeting.GARBAGE),
    ),
    # Logins, mailboxes and recipients.
    Scene(
        "wrong-password-imap",
        "the password is wrong",
        Protocol.IMAP,
        Encryption.TLS,
        ExpectedFailure(FailureReason.AUTH_REJECTED, Phase.AUTH),
        password=Password.WRONG,
    ),
    Scene(
        "wrong-password-pop3",
        "the password is wrong",
        Protocol.POP3,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.AUTH_REJECTED, Phase.AUTH),
        password=Password.WRONG,
    ),
    Scene(
        "logins-unavailable-smtp",
        "the server cannot check passwords at the moment",
        Protocol.SMTP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.AUTH_UNAVAILABLE, Phase.AUTH),
        behaviour=Behaviour(logins=LoginService.UNAVAILABLE),
    ),
    Scene(
        "missing-mailbox-imap",
        "the configured mailbox does not exist",
        Protocol.IMAP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.MAILBOX_UNAVAILABLE, Phase.CHECK),
        mailbox="Archive",
    ),
    Scene(
        "unknown-recipient-smtp",
        "the server does not accept mail for the recipient",
        Protocol.SMTP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.RECIPIENT_REFUSED, Phase.CHECK),
        password=Password.NONE,
        rcpt_to=UNKNOWN_RECIPIENT,
    ),
    Scene(
        "open-relay-smtp",
        "accepts mail from anybody to anybody: an open relay",
        Protocol.SMTP,
        Encryption.STARTTLS,
        ExpectedFailure(FailureReason.RECIPIENT_ACCEPTED, Phase.CHECK),
        behaviour=Behaviour(open_relay=True),
        password=Password.NONE,
        rcpt_to=FOREIGN_RECIPIENT,
        rcpt_expect=(550, 554),
    ),
)
