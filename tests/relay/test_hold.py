"""A hold: nothing leaves until a person lifts it. A copy of the store begins with one."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adapter.errors import Conflict, StoreError
from adapter.relay import overdue
from adapter.relay.clock import SetClock
from adapter.relay.message import DeliveryState
from adapter.relay.store import holds
from tests.relay.world import CLINIC, HOSPITAL, NOON, World, open_store

if TYPE_CHECKING:
    from pathlib import Path


def test_while_a_hold_stands_nothing_leaves_and_all_is_taken_in(world: World) -> None:
    """Intake goes on; no copy is claimed, whoever asks."""
    before = world.take(1)
    world.store.begin_hold(actor="Aino", reason="moving the receiver")
    after = world.take(2)

    world.drain()

    assert world.transport.sent == []
    assert (world.state(before), world.state(after)) == (DeliveryState.QUEUED, DeliveryState.QUEUED)


def test_lifted_what_waits_goes(world: World) -> None:
    """All of it, each once."""
    copies = [world.take(number) for number in (1, 2)]
    world.store.begin_hold(actor="Aino", reason="moving the receiver")
    world.drain()

    world.store.lift_hold(actor="Bertta", reason="moved")
    world.drain()

    assert len(world.transport.sent) == 2
    assert {world.state(each) for each in copies} == {DeliveryState.ACKNOWLEDGED}


def test_time_ends_nothing_while_a_hold_stands(world: World) -> None:
    """What a restored store believes unsent may have arrived: it is not closed, repeated or told of."""
    copy = world.take(1)
    world.store.begin_hold(actor="silta", reason="restored")
    world.clock.move(timedelta(days=30))

    world.drain()

    assert world.state(copy) is DeliveryState.QUEUED
    assert [each.recipient for each in world.store.find_deliveries(recipient=HOSPITAL)] == []


def test_a_silent_receiver_is_not_told_of_while_a_hold_stands(world: World) -> None:
    """The answer may have come after the store was copied."""
    world.take(1)
    world.drain()
    world.store.begin_hold(actor="silta", reason="restored")
    world.clock.move(timedelta(days=30))

    assert overdue.look(world, world.clock.now()) == 0  # type: ignore[arg-type]


def test_a_hold_outlives_a_restart(folder: Path) -> None:
    """It stands in the store; whoever opens it again holds too."""
    clock = SetClock(NOON)
    with open_store(folder, clock) as store:
        store.begin_hold(actor="Aino", reason="moving")
        World(store=store, clock=clock, file=folder / "silta.db").take(1)

    with open_store(folder, clock) as store:
        again = World(store=store, clock=clock, file=folder / "silta.db")
        again.drain()
        hold = store.hold()

    assert again.transport.sent == []
    assert hold is not None
    assert (hold.actor, hold.reason, hold.began_at) == ("Aino", "moving", NOON)


def test_a_hold_begins_and_ends_once(world: World) -> None:
    """A second one changes nothing; lifting what does not stand is DL152; both ends are in the audit."""
    world.store.begin_hold(actor="Aino", reason="first")
    world.store.begin_hold(actor="Bertta", reason="second")
    world.store.lift_hold(actor="Bertta", reason="seen to")

    with pytest.raises(Conflict, match="DL152"):
        world.store.lift_hold(actor="Bertta", reason="again")

    rows = [(row.action, row.actor, row.reason) for row in world.store.audit_rows(object="deliveries")]
    assert rows == [("hold", "Aino", "first"), ("lift-hold", "Bertta", "seen to")]
    assert world.store.hold() is None


# Copies ---------------------------------------------------------------------------------------------------


def restored(world: World, folder: Path) -> World:
    """A world on a copy of this one's store, made now and put in a place of its own."""
    made = world.store.back_up(folder, actor="Aino", reason="nightly")
    place = folder / "restored"
    place.mkdir()
    (folder / made.file).rename(place / "silta.db")
    return World(store=open_store(place, world.clock), clock=world.clock, file=place / "silta.db")


def test_a_copy_holds_what_the_original_has_sent_since(file_world: World, tmp_path: Path) -> None:
    """Copied before the send, opened after it: the copy would send it again, and holds."""
    copy = file_world.take(1)
    other = restored(file_world, tmp_path)
    file_world.drain()

    other.drain()

    hold = other.store.hold()
    assert (file_world.state(copy), other.state(copy)) == (DeliveryState.ACKNOWLEDGED, DeliveryState.QUEUED)
    assert other.transport.sent == []
    assert hold is not None
    assert hold.reason == holds.RESTORED
    other.store.close()


def test_a_copy_is_whole(file_world: World, tmp_path: Path) -> None:
    """Every row, content that opens with the same key, and a trail that fits its head."""
    message = file_world.take(1)
    head = file_world.store.audit_head()

    with restored(file_world, tmp_path).store as store:
        assert store.content(message.message) == message.content
        assert store.verify_audit(head) is None


def test_a_copy_is_for_its_owner_alone_and_never_over_another(file_world: World, tmp_path: Path) -> None:
    """0600 from birth; a second one of the same second is refused (ST104) and leaves the first."""
    made = file_world.store.back_up(tmp_path, actor="Aino", reason="nightly")

    with pytest.raises(StoreError, match="ST104"):
        file_world.store.back_up(tmp_path, actor="Aino", reason="nightly")

    assert (tmp_path / made.file).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / made.file).stat().st_size == made.bytes


def test_a_copy_is_made_while_the_relay_works(file_world: World, tmp_path: Path) -> None:
    """Messages are taken in during the copy; what it holds is one moment of them."""

    async def both() -> None:
        async def intake() -> None:
            for number in range(1, 40):
                await asyncio.to_thread(file_world.take, number)

        taking = asyncio.create_task(intake())
        await asyncio.to_thread(file_world.store.back_up, tmp_path, actor="Aino", reason="nightly")
        await taking

    asyncio.run(both())

    [file] = tmp_path.glob("silta-*.db")
    with closing(sqlite3.connect(file)) as copy:
        [(intact,)] = copy.execute("PRAGMA integrity_check").fetchall()
        loose = copy.execute("PRAGMA foreign_key_check").fetchall()
        [(messages, answered)] = copy.execute(
            "SELECT count(*), (SELECT count(*) FROM delivery WHERE recipient = ?) FROM message", (CLINIC,)
        ).fetchall()
    assert (intact, loose) == ("ok", [])
    assert messages == answered


def test_a_database_is_copied_by_its_own_means(engine: str, folder: Path, tmp_path: Path) -> None:
    """On PostgreSQL ST125 says so; a file is copied."""
    with open_store(folder) as store:
        if engine == "postgresql":
            with pytest.raises(Conflict, match="ST125"):
                store.back_up(tmp_path, actor="Aino", reason="nightly")
        else:
            assert store.back_up(tmp_path, actor="Aino", reason="nightly").bytes > 0
