"""The scenes of the demo that change while somebody watches: what a night brings, in a minute.

Values only, as in scenes.py.
"""

from __future__ import annotations

import math
from typing import Final

from exporter.demo.scene import Act, CertificateKind, Password, Scene
from exporter.demo.site import Behaviour, Greeting, LoginService
from exporter.model import Encryption, Protocol

STORIES: Final[tuple[Scene, ...]] = (
    Scene(
        "flapping-smtp",
        "turns clients away for 10 s out of 25: 421 in the greeting",
        Protocol.SMTP,
        Encryption.STARTTLS,
        acts=(Act(15.0), Act(10.0, Behaviour(greeting=Greeting.BUSY))),
    ),
    Scene(
        "replaced-certificate-imap",
        "after 20 s its certificate is replaced by one for another name, and after 25 s more by a good one",
        Protocol.IMAP,
        Encryption.TLS,
        acts=(
            Act(20.0, certificate=CertificateKind.EXPIRING),
            Act(25.0, certificate=CertificateKind.WRONG_NAME),
            Act(math.inf),
        ),
    ),
    Scene(
        "changed-password-pop3",
        "after 30 s somebody changes the password at the server",
        Protocol.POP3,
        Encryption.TLS,
        password=Password.FORMER,
        acts=(Act(30.0), Act(math.inf, Behaviour(logins=LoginService.CHANGED))),
    ),
)
