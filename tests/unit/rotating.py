"""Files that change as a rotation changes them."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from OpenSSL import SSL, crypto

from exporter.model import CertificateProblem as Problem
from exporter.model import TlsFacts, TlsPolicy, TlsVersion
from exporter.net import contexts as contexts_module
from exporter.net.tls import TlsContexts, TlsSetupError
from tests.clock import Clock
from tests.authority import Party, issue, key_pem, pem
from tests.certificates import NAME, world
from tests.handshakes import meeting, server_context


def replace(file: Path, content: bytes) -> None:
    """As a rotation does it: another file in its place."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(file)
