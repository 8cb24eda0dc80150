"""A relay on a real file, for every test of store and delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.relay.clock import SetClock
from tests.relay.world import NOON, World, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A relay with an empty store, a scripted wire and a clock at noon."""
    clock = SetClock(NOON)
    with open_store(tmp_path, clock) as store:
        yield World(store=store, clock=clock, file=tmp_path / "silta.db")
