"""Hypothesis for this folder: an example may take its time, for a busy machine is not a bug."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
