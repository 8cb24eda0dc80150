"""How long a test waits for what comes in a moment where nothing else runs."""

from __future__ import annotations

PATIENCE = 60.0
"""Seconds: for an answer, or until something has come true, on a machine that does much else at the time."""
