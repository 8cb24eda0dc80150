"""What every test may ask for."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator

# How long an example takes says nothing of it where other work shares the machine.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let Python's collector of cyclic garbage rest while tests are collected.

    Thousands of tests and the modules they stand in live as long as the session: nobody need look through
    them again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Look for garbage once: pytest looks five times more, and need not go through what lives."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real material that SILTA_CORPUS names; tests that need it are skipped without."""
    place = os.environ.get("SILTA_CORPUS")
    if not place:
        pytest.skip("SILTA_CORPUS is not set: the real material is not on this machine")
    return Path(place)
