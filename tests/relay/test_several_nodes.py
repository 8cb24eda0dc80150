"""Several nodes on one PostgreSQL: what each may do, what they do together, and a database that goes away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from adapter.errors import StoreError
from adapter.relay import delivery
from adapter.relay.clock import SetClock, SystemClock
from adapter.relay.message import DeliveryState, MessageState
from adapter.relay.store import Store, claims, freezing, leases, process
from adapter.relay.store.postgres import PostgresGround
from adapter.relay.store.values import Freeze, Frozen, NewConsent
from tests.patience import PATIENCE
from tests.relay.world import (
    CLINIC,
    HOSPITAL,
    KEY,
    NOON,
    OTHER_CLINIC,
    SUBJECT,
    World,
    address_of,
    intake,
    open_store,
    open_to_change,
    raw_rows,
    settle_on,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapter.relay.store.book import Book
    from tests.relay.cluster import Cluster

S = DeliveryState


@pytest.fixture
def folder(tmp_path: Path, cluster: Cluster) -> Iterator[Path]:
    """A folder whose store is a database."""
    address = cluster.database()
    settle_on(tmp_path, address)
    yield tmp_path
    cluster.drop(address)


@pytest.fixture
def nodes(folder: Path) -> Iterator[tuple[World, World]]:
    """Two relays on one database; they share a clock."""
    clock = SetClock(NOON)
    with ExitStack() as stack:
        one, two = (
            World(store=stack.enter_context(open_store(folder, clock)), clock=clock, file=folder / "none")
            for _ in range(2)
        )
        yield one, two


def until(asked: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `asked` is true, and not for ever."""
    deadline = time.monotonic() + seconds
    while not asked():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


# Together -------------------------------------------------------------------------------------------------


def test_nodes_of_one_name_are_told_apart(nodes: tuple[World, World]) -> None:
    """Two processes never write one audit chain: the second gets a number."""
    assert [each.store.node for each in nodes] == ["silta", "silta-2"]


def test_a_name_that_was_given_back_is_taken_again(folder: Path) -> None:
    """A restart goes on with the chain it had."""
    open_store(folder).close()
    with open_store(folder) as store:
        assert store.node == "silta"


def test_what_one_node_accepts_another_delivers(nodes: tuple[World, World]) -> None:
    """The same message, the same lane, one chain for each that fits."""
    one, two = nodes
    new = one.take(1)
    assert two.due() == 1
    assert one.state(new) is S.ACKNOWLEDGED
    assert one.store.verify_audit() is None


def test_the_same_message_at_two_nodes_at_once_is_taken_once(nodes: tuple[World, World]) -> None:
    """Sixteen at once, eight at each node: one message, one delivery, sixteen times the same answer."""
    one, two = nodes
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda n: (one, two)[n % 2].store.commit_intake(intake(1)).body, range(16))
        )
    assert set(answers) == {intake(1).answer.body}
    assert one.store.counts()["deliveries"] == {"queued": 1}


def test_two_nodes_never_claim_one_lane(nodes: tuple[World, World]) -> None:
    """Four claims at once share out what is there, each lane once."""
    one, two = nodes
    for number in range(1, 41):
        one.take(number, subject=f"{number:064x}")
    with ThreadPoolExecutor(4) as threads:
        claimed = threads.map(
            lambda n: (one, two)[n % 2].store.submit(claims.claim, NOON, 10, each=40).result(), range(4)
        )
    lanes = [each.lane for part in claimed for each in part]
    assert len(lanes) == len(set(lanes)) > 10


def test_accepting_into_the_same_lanes_neither_blocks_nor_miscounts(nodes: tuple[World, World]) -> None:
    """Two hundred messages into five lanes at two nodes, to two recipients: every lane counts right."""
    one, two = nodes
    one.store.import_parties(dict.fromkeys(one.partners, True))

    def accept(number: int) -> None:
        recipients = (CLINIC, OTHER_CLINIC) if number % 3 else (OTHER_CLINIC, CLINIC)
        new = intake(number, recipients, subject=f"{number % 5:064x}")
        (one, two)[number % 2].store.commit_intake(new)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(accept, range(1, 201)))

    assert {party.key: party.waiting for party in one.store.parties()} == {
        CLINIC: 200,
        OTHER_CLINIC: 200,
        HOSPITAL: 0,
    }


def test_a_message_whose_last_two_copies_end_at_two_nodes_is_settled(nodes: tuple[World, World]) -> None:
    """Neither node sees the other's end before its own is committed; one of them settles it all the same."""
    one = nodes[0]
    made = [one.take(number, CLINIC, OTHER_CLINIC, subject=f"{number:064x}") for number in range(1, 21)]
    for each in nodes:
        each.partners = dict(one.partners)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda each: each.drain(), nodes))
    assert {one.store.message(new.message).state for new in made} == {MessageState.SETTLED}


def test_a_consent_that_changes_at_another_node_voids_the_decision(nodes: tuple[World, World]) -> None:
    """What was committed elsewhere since the claim makes freezing ask again."""
    one, two = nodes
    one.take(1)
    (claimed,) = one.store.submit(claims.claim, NOON, 1).result()
    consent = NewConsent(id="c", subject=SUBJECT, resource={"resourceType": "Consent"})
    two.store.put_consent(consent, actor=CLINIC, at=NOON)
    copy = Frozen(body=b"{}", media_type="application/fhir+json", level=claimed.level)

    answer, seen = one.store.submit(
        freezing.freeze, claimed, copy=copy, basis=None, seen=claimed.consents_seen, until=NOON, at=NOON
    ).result()

    assert (answer, seen > claimed.consents_seen) == (Freeze.ASK_AGAIN, True)


def test_another_node_is_woken(nodes: tuple[World, World]) -> None:
    """A commit at one node that makes something due is heard at the other, without waiting for its poll."""
    one, two = nodes
    heard = threading.Event()
    two.store.on_work(heard.set)
    one.store.import_parties(dict.fromkeys(one.partners, True))
    for number in range(1, 50):
        one.take(number)
        if heard.wait(0.1):
            break
    assert heard.is_set()


def test_leases_go_by_the_time_of_the_database(folder: Path) -> None:
    """A node whose clock is a day ahead takes nobody's lease back."""
    fast = SetClock(SystemClock().now() + claims.LEASE * 1440)
    address = address_of(folder)
    with (
        Store.open(address, key=KEY, clock=SystemClock()) as right,
        Store.open(address, key=KEY, clock=fast) as wrong,
    ):
        now = SystemClock().now()
        right.commit_intake(intake(1, at=now))
        assert len(right.submit(claims.claim, now, 9).result()) == 1
        assert wrong.submit(leases.recover, fast.now()).result() == 0


def test_a_tail_cut_off_one_chain_shows_in_another(nodes: tuple[World, World]) -> None:
    """A head that was sealed elsewhere proves that rows are gone, without any head kept outside."""
    one, two = nodes
    one.take(1)
    assert two.store.seal_audit() == 1
    assert two.store.seal_audit() == 0
    assert two.store.verify_audit() is None
    newest = one.store.audit_head().sequence
    open_to_change(one.folder, "audit")
    raw_rows(one.folder, "DELETE FROM audit WHERE node = 'silta' AND sequence = ?", newest)

    bad = two.store.verify_audit()

    assert bad is not None
    assert (bad.node, bad.sequence, bad.fault) == ("silta", newest, "cut")


# Death ----------------------------------------------------------------------------------------------------


def test_the_lanes_of_a_dead_process_are_taken_over_at_once(nodes: tuple[World, World]) -> None:
    """A process that is gone from this machine sends nothing: its leases need not run to their end."""
    one, two = nodes
    new = one.take(1)
    one.store.submit(claims.claim, NOON, 9).result()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    words = process.here(gone.pid)
    gone.wait()
    raw_rows(one.folder, "UPDATE node SET process = ? WHERE name = 'silta'", words)

    assert two.store.submit(leases.recover_dead, NOON).result() == 1
    assert two.state(new) is S.QUEUED


def test_the_lanes_of_a_living_process_are_left(nodes: tuple[World, World]) -> None:
    """As long as the process lives, or may live elsewhere, its leases run to their end."""
    one, two = nodes
    one.take(1)
    one.store.submit(claims.claim, NOON, 9).result()
    assert two.store.submit(leases.recover_dead, NOON).result() == 0
    raw_rows(one.folder, "UPDATE node SET process = 'another machine 1 1' WHERE name = 'silta'")
    assert two.store.submit(leases.recover_dead, NOON).result() == 0


def test_a_closed_node_gives_its_lanes_back(folder: Path) -> None:
    """An orderly end leaves nothing leased."""
    clock = SetClock(NOON)
    with open_store(folder, clock) as other:
        with open_store(folder, clock) as store:
            store.commit_intake(intake(1))
            assert len(store.submit(claims.claim, NOON, 9).result()) == 1
        assert len(other.submit(claims.claim, NOON, 9).result()) == 1


def test_no_node_keeps_a_key_that_another_has_destroyed(nodes: tuple[World, World]) -> None:
    """Keys that were opened are let go of whenever a node looks for what to forget, whoever forgot it."""
    one, two = nodes
    new = one.take(1)
    one.due()
    two.store.content(new.message, "original")
    assert two.store._vault.open_envelopes > 0
    later = NOON + timedelta(days=100)
    assert one.store.forget(later) == 1

    assert two.store.forget(later) == 0

    assert two.store._vault.open_envelopes == 0


# The database goes away -----------------------------------------------------------------------------------


def test_sessions_that_are_ended_are_opened_again(folder: Path, cluster: Cluster) -> None:
    """An administrator ends every session: at most what was under way fails, and the next is taken."""
    with open_store(folder) as store:
        store.commit_intake(intake(1))
        cluster.terminate_sessions(address_of(folder))
        with pytest.raises(StoreError, match="ST116"):
            store.commit_intake(intake(2))
        store.commit_intake(intake(2))
        assert store.counts()["messages"] == {"accepted": 2}
        assert store.verify_audit() is None


def test_a_node_that_falls_asleep_in_a_transaction_gives_its_locks_back(nodes: tuple[World, World]) -> None:
    """The server ends its session; another node goes on, and it does too when it wakes."""
    one, two = nodes
    one.take(1)

    def fall_asleep(book: Book) -> None:
        book.cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert book.cursor.fetchone()[0] == "30s"
        book.cursor.execute("LOCK TABLE delivery")
        book.cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
        asleep.set()
        woken.wait(20)
        book.cursor.execute("SELECT 1")

    asleep, woken = threading.Event(), threading.Event()
    dream = one.store.submit(fall_asleep)
    asleep.wait(20)
    assert two.due() == 1
    woken.set()

    with pytest.raises(StoreError, match="ST116"):
        dream.result()
    one.take(2)
    assert one.due() == 1


@pytest.mark.parametrize("how", ["stopped", "crashed"])
def test_without_the_database_nothing_is_taken_and_afterwards_all_goes_on(
    tmp_path: Path, durable: Cluster, how: str
) -> None:
    """Intake is refused at once, nothing waits in memory, and what was accepted is delivered afterwards."""

    async def both(world: World) -> None:
        stop = asyncio.Event()
        relay: Any = world
        engine = asyncio.create_task(delivery.run(relay, stop, decisions=world.decided))
        try:
            await asyncio.to_thread(outage, world)
        finally:
            stop.set()
            await asyncio.wait_for(engine, 30)

    def outage(world: World) -> None:
        at = world.clock.now()
        world.store.commit_intake(intake(1, at=at))
        until(lambda: world.store.counts()["deliveries"] == {"acknowledged": 1})
        durable.stop() if how == "stopped" else durable.crash()
        began = time.monotonic()
        for number in range(2, 12):
            with pytest.raises(StoreError, match="ST116"):
                world.store.commit_intake(intake(number, at=at))
        assert time.monotonic() - began < 5
        with pytest.raises(StoreError, match="ST116"):
            world.store.counts()
        durable.start()
        until(lambda: taken(world, intake(20, at=at)))
        until(lambda: world.store.counts()["deliveries"] == {"acknowledged": 2})

    settle_on(tmp_path, durable.database())
    clock: Any = SystemClock()
    with open_store(tmp_path, clock) as store:
        asyncio.run(both(World(store=store, clock=clock)))
        assert store.verify_audit() is None


def taken(world: World, new: Any) -> bool:
    """Hand a message in; False if it is refused."""
    try:
        world.store.commit_intake(new)
    except StoreError:
        return False
    return True


def test_a_database_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """Nobody is served by a store that does not answer."""
    with pytest.raises(StoreError, match="ST116"):
        Store.open(f"postgresql://silta@/none?host={tmp_path}", key=KEY, clock=SetClock(NOON))


def test_another_encoding_is_refused(cluster: Cluster) -> None:
    """Text is UTF-8; a database that cannot hold it is no store."""
    with psycopg.connect(cluster.address("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    ground = PostgresGround(make_url(cluster.address("latin")))
    with pytest.raises(StoreError, match="ST118"):
        ground.check()
    ground.abandon()


def test_nodes_that_start_at_once_make_the_tables_once(cluster: Cluster) -> None:
    """Three starts on an empty database: one migrates, the others wait, all run."""
    address = cluster.database(migrated=False)
    with ThreadPoolExecutor(3) as threads:
        stores = list(threads.map(lambda _: Store.open(address, key=KEY, clock=SetClock(NOON)), range(3)))
    names = {store.node for store in stores}
    for store in stores:
        store.close()
    assert names == {"silta", "silta-2", "silta-3"}


def test_the_sent_copy_of_a_message_taken_elsewhere_is_the_same(nodes: tuple[World, World]) -> None:
    """A copy that one node froze goes out from another with the same bytes."""
    one, two = nodes
    one.take(1)
    (claimed,) = one.store.submit(claims.claim, NOON, 1).result()
    copy = Frozen(body=b'{"frozen": 1}', media_type="application/fhir+json", level=claimed.level)
    one.store.submit(
        freezing.freeze, claimed, copy=copy, basis=None, seen=claimed.consents_seen, until=NOON, at=NOON
    ).result()
    two.clock.move(claims.LEASE)
    (again,) = two.store.submit(claims.claim, two.clock.now(), 1).result()
    assert (again.frozen, again.reached) == (replace(copy), True)
