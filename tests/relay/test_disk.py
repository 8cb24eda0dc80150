"""A disk that loses power, is full, fails or holds rubbish: what was answered stays, no half is served."""

from __future__ import annotations

import random
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import StoreError
from adapter.relay.clock import SetClock
from adapter.relay.message import DeliveryState
from tests.relay.disk import failing_disk
from tests.relay.world import NOON, Wire, World, intake, ok_reply, open_store, raw_rows, settle_on

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.relay.message import Intake
    from tests.relay.cluster import Cluster

S = DeliveryState
SEED = 20260302
FILE = "silta.db"


def drawn(seed: int = SEED) -> random.Random:
    """Draws that repeat; none of them is a secret."""
    return random.Random(seed)  # noqa: S311


def world_in(place: Path) -> World:
    """A relay on a file of its own."""
    clock = SetClock(NOON)
    return World(store=open_store(place, clock), clock=clock, file=place / FILE)


# Power loss -----------------------------------------------------------------------------------------------


def test_power_loss_finds_nothing_answered_that_is_not_synced(tmp_path: Path) -> None:
    """When intake is answered, and when the wire sees a copy, nothing of the log waits for a sync."""
    open_store(tmp_path).close()
    waits = []
    with failing_disk() as disk:
        world = world_in(tmp_path)
        world.transport.before = lambda _: waits.append(disk.unsynced(tmp_path / f"{FILE}-wal"))
        for number in range(1, 31):
            before = disk.syncs
            world.take(number, subject=f"{number:064x}")
            waits.append(disk.unsynced(tmp_path / f"{FILE}-wal") or disk.syncs == before)
        while world.due(limit=1):  # one at a time: no other write is under way when the wire looks
            pass
        world.store.close()
    assert waits == [False] * 60


def test_q4_power_loss_takes_nothing_that_was_answered(tmp_path: Path) -> None:
    """The power goes at moments drawn anew: what was answered, and what had left, is there with its bytes."""
    draw = drawn()
    site = tmp_path / "site"
    site.mkdir()
    open_store(site).close()
    answered: list[Intake] = []
    left: dict[str, bytes] = {}
    cuts: list[tuple[Path, list[Intake], dict[str, bytes]]] = []
    moments = set(draw.sample(range(200, 6_000), 12))

    with failing_disk() as disk:
        world = world_in(site)
        world.transport.before = lambda request: left.update({request.headers["X-Request-Id"]: request.body})

        def cut(*_: str) -> None:
            if disk.operations in moments:
                place = tmp_path / f"cut-{disk.operations}"
                place.mkdir()
                cuts.append((place, list(answered), dict(left)))
                disk.after_power_cut(site, place, draw)

        def accept(number: int) -> None:
            new = intake(number, subject=f"{number % 7:064x}")
            world.store.commit_intake(new)
            answered.append(new)

        disk.when = cut
        for start in range(1, 161, 40):
            with ThreadPoolExecutor(4) as senders:
                list(senders.map(accept, range(start, start + 40)))
            world.due(limit=8)
        disk.when = None
        world.store.close()

    assert len(cuts) > 6, disk.operations
    for place, known, gone in cuts:
        with open_store(place) as store:
            there = {row.id for row in store.messages(limit=1_000)}
            assert {new.message for new in known} <= there, place
            assert store.verify_audit() is None
            for new in known:
                (copy,) = store.deliveries(new.message)
                if copy.header_id in gone and copy.state is not S.ACKNOWLEDGED:
                    assert store.content(new.message, f"copy/{copy.id}") == gone[copy.header_id]


def test_a_disk_that_loses_power_would_show_a_store_that_does_not_sync(tmp_path: Path) -> None:
    """The test of the tests above: without `synchronous` a power cut takes rows that were committed."""
    place, after = tmp_path / "before", tmp_path / "after"
    place.mkdir()
    after.mkdir()
    with failing_disk() as disk, closing(sqlite3.connect(place / FILE, isolation_level=None)) as rows:
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = OFF")
        rows.execute("CREATE TABLE t (x)")
        for number in range(20):
            rows.execute("INSERT INTO t VALUES (?)", (number,))
        assert disk.unsynced(place / f"{FILE}-wal")
        disk.after_power_cut(place, after, drawn())
    with closing(sqlite3.connect(after / FILE)) as rows, pytest.raises((sqlite3.Error, AssertionError)):
        assert rows.execute("SELECT count(*) FROM t").fetchone() == (20,)


def test_power_loss_on_postgresql_finds_the_log_flushed_before_each_answer(
    tmp_path: Path, durable: Cluster
) -> None:
    """When intake is answered its commit is flushed, by a server that syncs; each node insists on it."""
    settle_on(tmp_path, durable.database())
    asked = "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()"
    with open_store(tmp_path) as store:
        syncs = raw_rows(tmp_path, "SHOW fsync"), store.submit(_synchronous_commit).result()
        flushed = []
        for number in range(1, 21):
            store.commit_intake(intake(number))
            flushed += raw_rows(tmp_path, asked)
    assert (syncs, flushed) == (([("on",)], "on"), [(True,)] * 20)


def _synchronous_commit(book: Any) -> str:
    book.cursor.execute("SHOW synchronous_commit")
    return str(book.cursor.fetchone()[0])


# Disk full ------------------------------------------------------------------------------------------------


def take_much(world: World, number: int) -> Intake:
    """Accept a message of some pages."""
    return world.take(number, subject=f"{number:064x}", original=drawn(number).randbytes(9_000))


def test_q4_disk_full_answers_nothing_it_has_not_stored_and_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    """Whatever byte the room ends at: refused by code, what was accepted can be read, then it goes on."""
    draw = drawn()
    with failing_disk() as disk:
        world = world_in(tmp_path)
        number, accepted = 1, [take_much(world, 1)]
        for _ in range(12):
            disk.room = draw.randrange(250_000)
            with pytest.raises(StoreError, match="ST110"):  # noqa: PT012 - which of them it is, the disk says
                while True:
                    number += 1
                    accepted.append(take_much(world, number))
            assert world.store.content(accepted[-1].message, "original") == accepted[-1].original
            disk.room = None
            accepted.append(take_much(world, number))
        world.drain()
        assert {world.state(new) for new in accepted} == {S.ACKNOWLEDGED}
        assert world.store.verify_audit() is None
        assert world.store.counts()["messages"] == {"settled": len(accepted)}
        world.store.close()
    assert raw_rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


def test_q4_a_disk_that_turns_read_only_takes_nothing_in_and_it_goes_on_afterwards(tmp_path: Path) -> None:
    """As a kernel mounts a failing disk: refused by code, what was accepted can be read, then it goes on."""
    with failing_disk() as disk:
        world = world_in(tmp_path)
        first = world.take(1)
        disk.is_read_only = True
        with pytest.raises(StoreError) as refused:
            world.take(2)
        read = world.store.content(first.message, "original")
        disk.is_read_only = False
        second = world.take(2)
        world.drain()
        states = {world.state(first), world.state(second)}
        world.store.close()
    assert (refused.value.code, read, states) == ("ST111", first.original, {S.ACKNOWLEDGED})


def test_disk_full_leaves_room_to_send_and_to_forget_by_the_ballast(tmp_path: Path) -> None:
    """The reserve is given up by the first write that finds no room: what is on the wire is written down."""
    with failing_disk() as disk:
        world = world_in(tmp_path)
        new = world.take(1)
        world.store.keep_ballast(2_000_000)
        disk.room = 0
        disk.given_up = {tmp_path / f"{FILE}.ballast": 2_000_000}
        world.drain()
        assert world.state(new) is S.ACKNOWLEDGED
        assert not (tmp_path / f"{FILE}.ballast").exists()
        world.store.close()


def test_disk_full_at_postgresql_refuses_intake_by_code_and_resumes(tmp_path: Path, cluster: Cluster) -> None:
    """The server says 53100 at whatever table: nothing half is written, nothing is lost, and it goes on."""
    settle_on(tmp_path, cluster.database())
    raw_rows(
        tmp_path,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$",
    )
    clock = SetClock(NOON)
    with open_store(tmp_path, clock) as store:
        world = World(store=store, clock=clock, file=tmp_path / FILE)
        world.take(1)
        for table in ("message", "intake_key", "content_key", "payload", "delivery", "audit"):
            raw_rows(
                tmp_path,
                f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} EXECUTE FUNCTION full_disk()",
            )
            with pytest.raises(StoreError, match="ST110"):
                store.commit_intake(intake(2))
            raw_rows(tmp_path, f"DROP TRIGGER full_disk ON {table}")
        assert store.counts()["messages"] == {"accepted": 1}
        world.take(2)
        world.drain()
        assert store.counts()["deliveries"] == {"acknowledged": 2}
        assert store.verify_audit() is None


# I/O errors -----------------------------------------------------------------------------------------------


def story(world: World, told: list[Intake]) -> None:
    """Accept, send, accept, and end: `told` is what a sender was answered."""
    for number in range(1, 4):
        told.append(world.take(number, subject=f"{number:064x}"))
        world.due()
    world.store.close()


def outcome_with_faults(place: Path, sound: Path, first: int, *, once: bool) -> int:
    """Play the story on a disk that fails from its operation `first` on; return how many it took."""
    place.mkdir()
    shutil.copy(sound, place / FILE)
    told: list[Intake] = []
    said = "ST110"
    wire = Wire([ok_reply])
    with failing_disk() as disk:
        disk.fails_from, disk.fails_once = first, once
        world = None
        try:
            world = world_in(place)
            world.transport = wire
            story(world, told)
        except StoreError as error:
            said = error.code
        disk.fails_from = None
        if world is not None:
            with suppress(StoreError):
                world.store.close()
        count = disk.operations
    assert said in {"ST102", "ST110", "ST111", "ST113", "ST115"}
    clock = SetClock(NOON)
    with open_store(place, clock) as store:
        there = {row.id for row in store.messages()}
        assert {new.message for new in told} <= there
        assert all(len(store.deliveries(message)) == 1 for message in there)
        assert store.verify_audit() is None
        World(store=store, clock=clock, transport=wire).drain()
        assert set(store.counts()["deliveries"]) <= {"acknowledged"}
    assert len({request.body for request in wire.sent}) == len({r.headers["X-Request-Id"] for r in wire.sent})
    return count


def test_q4_an_io_error_at_any_write_or_sync_leaves_no_half_and_loses_nothing_answered(
    tmp_path: Path,
) -> None:
    """EIO at an operation drawn from the whole story, once or for good: said by code, whole afterwards."""
    everywhere(tmp_path, 6)


@pytest.mark.long
def test_an_io_error_at_every_write_and_sync_leaves_no_half(tmp_path: Path) -> None:
    """The same at each operation there is."""
    everywhere(tmp_path, None)


def everywhere(place: Path, tries: int | None) -> None:
    """Let the disk fail at so many moments, or at each."""
    (place / "sound").mkdir()
    open_store(place / "sound").close()
    sound = place / "sound" / FILE
    count = outcome_with_faults(place / "count", sound, 10**9, once=True)
    assert count > 100
    moments = range(1, count + 1)
    draw = drawn()
    for number in moments if tries is None else draw.sample(moments, tries):
        for once in (True, False):
            outcome_with_faults(place / f"{number}-{once}", sound, number, once=once)


# Corrupt pages --------------------------------------------------------------------------------------------


def told_by(place: Path) -> list[Any]:
    """Everything of a store that anybody is served, and what its checks say."""
    with open_store(place) as store:
        found: list[Any] = [store.verify_audit(), store.counts()]
        for row in store.messages(limit=1_000):
            found += [row, store.deliveries(row.id), store.content(row.id), store.content(row.id, "original")]
        return found


def test_a_corrupt_page_stops_the_start_or_is_not_served(tmp_path: Path) -> None:
    """Whatever page is overwritten: an error by code at the start or when asked, else the same as before."""
    sound, draw = tmp_path / "sound", drawn()
    sound.mkdir()
    world = world_in(sound)
    for number in range(1, 31):
        world.take(number, subject=f"{number:064x}", original=draw.randbytes(6_000))
    world.drain()
    world.store.close()
    healthy, expected = (sound / FILE).read_bytes(), told_by(sound)
    size = int.from_bytes(healthy[16:18], "big")
    stopped = 0
    for number in draw.sample(range(len(healthy) // size), 40):
        place = tmp_path / f"page-{number}"
        place.mkdir()
        broken = bytearray(healthy)
        broken[number * size : (number + 1) * size] = draw.randbytes(size)
        (place / FILE).write_bytes(broken)
        try:
            assert told_by(place) == expected, number
        except StoreError:
            stopped += 1
    assert stopped > 20
