"""Room on the disk: warned of early, refused in time, and a reserve for what is under way."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from adapter.errors import StoreError
from adapter.relay.clock import SetClock
from adapter.relay.message import DeliveryState
from adapter.relay.store import room
from adapter.relay.store.accepting import ROOM_SECONDS
from adapter.relay.store.room import Room, room_of
from tests.relay.world import NOON, World, intake, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.relay.store.book import Book

GB = 10**9


@pytest.mark.parametrize(
    ("total", "free", "left"),
    [
        (10 * GB, 5 * GB, Room.AMPLE),
        (10 * GB, 2 * GB, Room.LOW),
        (10 * GB, 1 * GB, Room.NONE),
        (1_000 * GB, 60 * GB, Room.AMPLE),  # six percent of a large disk is plenty
        (1_000 * GB, 4 * GB, Room.LOW),
        (1_000 * GB, 1 * GB, Room.NONE),
    ],
)
def test_a_disk_is_judged_by_its_share_and_by_what_is_free(total: int, free: int, left: Room) -> None:
    """80 % and less than 5 GB: low; 90 % and less than 2 GB: nothing more is taken in."""
    assert room_of(total, free) is left


def test_a_disk_that_is_nearly_full_takes_nothing_in_and_still_sends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Intake is refused by code and said once; what was accepted goes out; room opens it again."""
    disk = [Room.AMPLE]
    clock = SetClock(NOON)
    with open_store(tmp_path, clock, disk=lambda _: disk[0]) as store:
        world = World(store=store, clock=clock, file=tmp_path / "silta.db")
        new = world.take(1)
        for left in (Room.LOW, Room.NONE):
            disk[0] = left
            store._room_seen_at -= ROOM_SECONDS
            if left is Room.LOW:
                world.take(2)
        with caplog.at_level(logging.WARNING), pytest.raises(StoreError, match="ST119"):
            store.commit_intake(intake(3))
        world.drain()
        assert world.state(new) is DeliveryState.ACKNOWLEDGED
        disk[0] = Room.AMPLE
        store._room_seen_at -= ROOM_SECONDS
        store.commit_intake(intake(3))


def test_ballast_is_given_up_when_the_disk_is_full(file_world: World) -> None:
    """The reserve stands beside the store, its owner's alone, and goes once: the write is tried again."""
    file_world.store.keep_ballast(100_000)
    ballast = file_world.folder / "silta.db.ballast"
    assert (ballast.stat().st_size, ballast.stat().st_mode & 0o777) == (100_000, 0o600)
    pages = iter([1, 1_000_000])

    def full_until_given_up(book: Book) -> None:
        """The database has no room for another page until the ballast is gone."""
        book.cursor.execute(f"PRAGMA max_page_count = {next(pages)}")
        book.cursor.execute("CREATE TABLE filler (x)")
        book.cursor.execute("INSERT INTO filler VALUES (zeroblob(1000000))")

    file_world.store.submit(full_until_given_up).result()

    assert not ballast.exists()


def test_no_room_for_ballast_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """More than the disk has cannot be reserved, and leaves nothing behind."""
    place = tmp_path / "silta.db"
    room.keep_ballast(place, 2**60)
    assert list(tmp_path.iterdir()) == []
