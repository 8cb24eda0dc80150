"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing of it where other work shares the machine.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real material that SILTA_CORPUS names; tests that need it are skipped without."""
    place = os.environ.get("SILTA_CORPUS")
    if not place:
        pytest.skip("SILTA_CORPUS is not set: the real material is not on this machine")
    return Path(place)
