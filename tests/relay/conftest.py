"""A relay on a real store, for every test of store and delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.relay.clock import SetClock
from tests.relay.cluster import Cluster, running_cluster
from tests.relay.world import NOON, World, open_store, settle_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One PostgreSQL for all tests of this process."""
    with running_cluster() as one:
        yield one


@pytest.fixture(scope="session")
def durable() -> Iterator[Cluster]:
    """A PostgreSQL that syncs as in production, for tests that kill."""
    with running_cluster(durable=True) as one:
        yield one


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine: what asks for it runs on both."""
    return str(request.param)


@pytest.fixture
def folder(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder with a store of its own, on either engine: `open_store` finds it."""
    if engine == "sqlite":
        yield tmp_path
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    address = cluster.database()
    settle_on(tmp_path, address)
    yield tmp_path
    cluster.drop(address)


@pytest.fixture
def world(folder: Path) -> Iterator[World]:
    """A relay with an empty store, a scripted wire and a clock at noon, on either engine."""
    clock = SetClock(NOON)
    with open_store(folder, clock) as store:
        yield World(store=store, clock=clock, file=folder / "silta.db")


@pytest.fixture
def file_world(tmp_path: Path) -> Iterator[World]:
    """The same on a file, for what only a file has."""
    clock = SetClock(NOON)
    with open_store(tmp_path, clock) as store:
        yield World(store=store, clock=clock, file=tmp_path / "silta.db")
