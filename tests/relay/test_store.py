"""The store's ground: file, lock, keys, transactions, migrations, groups."""

from __future__ import annotations

import re
import runpy
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import bindparam, create_engine, insert, select, update

from adapter.errors import ConfigurationError, Conflict, NotFound, StoreError
from adapter.relay.clock import SetClock
from adapter.relay.message import ConsentFiling, DeliveryState, Meaning, MessageState
from adapter.relay.store import Store, claims, consents, freezing, schema, sqlite
from adapter.relay.store import intake as accepts
from adapter.relay.store.cipher import Vault
from adapter.relay.store.upgrade import STEPS, newest
from adapter.relay.store.values import Freeze, Frozen, NewConsent, Retention
from tests.relay.world import (
    CLINIC,
    HOSPITAL,
    KEY,
    NOON,
    SUBJECT,
    World,
    intake,
    key,
    open_store,
    raw_rows,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from adapter.relay.message import Intake
    from adapter.relay.store.book import Book
    from adapter.relay.store.values import Claimed

# The file -------------------------------------------------------------------------------------------------


def test_the_files_belong_to_their_owner_alone(file_world: World) -> None:
    """Database, write-ahead log, shared memory and lock are 0600 while the store is open."""
    file_world.take(1)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in file_world.file.parent.glob("silta.db*")
    }
    assert modes == dict.fromkeys(("silta.db", "silta.db-wal", "silta.db-shm", "silta.db.lock"), 0o600)


def test_a_file_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    """A database somebody left readable is made 0600 before it is opened."""
    (tmp_path / "silta.db").touch(mode=0o644)
    with open_store(tmp_path):
        assert stat.S_IMODE((tmp_path / "silta.db").stat().st_mode) == 0o600


def test_a_second_process_is_refused(file_world: World) -> None:
    """Another process that opens the same file is told so, by code."""
    script = (
        "import sys; from tests.relay.world import *; from pathlib import Path\n"
        "try: open_store(Path(sys.argv[1]))\n"
        "except Exception as exc: print(exc.code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(file_world.file.parent)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "ST101"


def test_a_second_store_in_the_same_process_is_refused(file_world: World) -> None:
    """The lock holds within one process too."""
    with pytest.raises(StoreError, match="ST101"):
        open_store(file_world.file.parent)


def test_a_closed_store_can_be_opened_again(tmp_path: Path) -> None:
    """Closing folds the log into the file and lets the lock go."""
    open_store(tmp_path).close()
    with open_store(tmp_path) as store:
        assert store.counts()["messages"] == {}


@pytest.mark.parametrize(
    ("url", "code"),
    [("mysql://host/db", "ST106"), ("sqlite://", "ST104"), ("sqlite:////no/such/folder/x.db", "ST104")],
)
def test_an_address_that_cannot_be_a_store_is_refused(url: str, code: str) -> None:
    """Other engines, memory, and places that cannot be written have codes of their own."""
    with pytest.raises(StoreError, match=code):
        Store.open(url, key=KEY, clock=SetClock(NOON))


def test_a_damaged_file_is_not_served(tmp_path: Path) -> None:
    """A file that is no database stops the start."""
    (tmp_path / "silta.db").write_bytes(b"this is not a database" * 500)
    with pytest.raises(StoreError, match="ST115"):
        open_store(tmp_path)


def test_the_connections_are_as_they_must_be(file_world: World) -> None:
    """The writer syncs fully, deletes securely, checks foreign keys; the readers cannot write."""
    pragmas = ("journal_mode", "synchronous", "secure_delete", "foreign_keys")

    def ask(book: Book) -> list[object]:
        return [book.cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]

    assert file_world.store.submit(ask).result() == ["wal", 2, 1, 1]
    with pytest.raises(StoreError, match="ST111"):
        file_world.store.rows(insert(schema.party), {"key": "x"})


@pytest.mark.parametrize(
    ("version", "sound"),
    [((3, 40, 1), False), ((3, 44, 6), True), ((3, 50, 4), False), ((3, 50, 7), True), ((3, 51, 3), True)],
)
def test_an_sqlite_with_the_reset_fault_is_said(version: tuple[int, int, int], *, sound: bool) -> None:
    """Versions with the WAL-reset fault give a finding, others none."""
    assert (sqlite.findings(version) == ()) is sound


# Keys -----------------------------------------------------------------------------------------------------


def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    """32 bytes, nothing else."""
    with pytest.raises(ConfigurationError, match="ST105"):
        Store.open(f"sqlite:///{tmp_path / 'x.db'}", key=b"short", clock=SetClock(NOON))


def test_another_master_key_is_refused(tmp_path: Path) -> None:
    """A store made with one key does not open with another."""
    open_store(tmp_path).close()
    with pytest.raises(StoreError, match="ST103"):
        Store.open(f"sqlite:///{tmp_path / 'silta.db'}", key=b"x" * 32, clock=SetClock(NOON))


CANARY = "140326-999X invented canary"


def test_neither_key_nor_content_stands_in_the_files(file_world: World) -> None:
    """What a stolen copy of database and log shows: no content, no master key, no identifier."""
    subject = file_world.store.subject_key("urn:oid:1.2.246.21", CANARY)
    body = CANARY.encode()
    new = file_world.take(1, original=body, content=b'{"x":"%s"}' % body, subject=subject, keys=(key("n1"),))
    file_world.drain()
    file_world.store.acknowledgement(CLINIC, new.deliveries[0].header_id, "ok", body, NOON)
    file_world.store.put_consent(
        NewConsent(id="c", subject=subject, resource={"resourceType": "Consent", "x": CANARY}),
        actor=CLINIC,
        at=NOON,
    )
    raw = b"".join(path.read_bytes() for path in file_world.file.parent.glob("silta.db*"))
    assert body not in raw
    assert KEY not in raw


def test_content_comes_back_as_it_went_in(world: World) -> None:
    """What was sealed opens to the same bytes."""
    new = world.take(1)
    assert world.store.content(new.message, "original") == new.original
    assert world.store.content(new.message) == new.content


def test_a_ciphertext_moved_to_another_message_does_not_open(world: World) -> None:
    """Owner and part are bound into the seal: a row copied over another's is found out."""
    one, two = world.take(1), world.take(2)
    raw_rows(
        world.file.parent,
        "UPDATE payload SET sealed = (SELECT sealed FROM payload WHERE owner = ? AND part = 'content') "
        "WHERE owner = ? AND part = 'content'",
        f"message/{one.message}",
        f"message/{two.message}",
    )
    with pytest.raises(StoreError, match="ST107"):
        world.store.content(two.message)


def test_a_part_moved_to_another_place_does_not_open() -> None:
    """The same key opens a part only under its own name."""
    envelope, _ = Vault(KEY).new_key("message/1")
    with pytest.raises(StoreError, match="ST107"):
        envelope.open("content", envelope.seal("original", b"x"))


def test_a_subject_key_is_the_same_for_the_same_master_and_tells_nothing() -> None:
    """Keyed: equal for equal identifiers, other under another master key."""
    one = Vault(KEY).subject("urn:oid:1.2.246.21", "010190-900X")
    assert one == Vault(KEY).subject("urn:oid:1.2.246.21", "010190-900X")
    assert one != Vault(b"y" * 32).subject("urn:oid:1.2.246.21", "010190-900X")


# Migrations -----------------------------------------------------------------------------------------------

BROKEN_STEP = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "0016", None, None

def upgrade() -> None:
    op.execute("CREATE TABLE half (x TEXT)")
    op.execute("INSERT INTO half VALUES ('y')")
    op.execute("ALTER TABLE message ADD COLUMN more TEXT")
    raise RuntimeError("half-way")
"""


def test_a_migration_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """DDL is inside the transaction: after a failing step every table, column and row is as before."""
    open_store(tmp_path).close()
    before = _dump(tmp_path / "silta.db")
    steps = tmp_path / "steps"
    ours = Path(claims.__file__).parent / "migrations"
    (steps / "versions").mkdir(parents=True)
    (steps / "env.py").write_text((ours / "env.py").read_text())
    for step in (ours / "versions").glob("v*.py"):
        (steps / "versions" / step.name).write_text(step.read_text())
    (steps / "versions" / "v9999_broken.py").write_text(BROKEN_STEP)

    with pytest.raises(StoreError, match="ST102"):
        open_store(tmp_path, steps=steps)

    assert _dump(tmp_path / "silta.db") == before


def _dump(file: Path) -> list[str]:
    connection = sqlite3.connect(file)
    lines = [line for line in connection.iterdump() if '"node"' not in line]
    connection.close()
    return lines


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """A revision this program does not know is not touched."""
    open_store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "silta.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="ST109"):
        open_store(tmp_path)


def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    """What the steps build is what the statements are written for: columns, types, indexes, checks."""
    open_store(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'silta.db'}")
    plain = create_engine("sqlite://")
    schema.metadata.create_all(plain)
    with engine.connect() as made, plain.connect() as meant:
        difference = compare_metadata(MigrationContext.configure(made), schema.metadata)
        sql = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql NOT NULL"
        ours = {tuple(row) for row in made.exec_driver_sql(sql) if "alembic" not in row[1]}
        theirs = {tuple(row) for row in meant.exec_driver_sql(sql)}
    engine.dispose()
    plain.dispose()
    assert difference == []
    assert {_plain(row) for row in ours} == {_plain(row) for row in theirs}


def test_an_empty_file_gets_the_tables_that_the_steps_make() -> None:
    """What is drawn for an empty file is what every step, one after the other, leaves."""
    drawn = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "draw_schema.py"))["drawn"]

    assert (STEPS / "sqlite.sql").read_text("utf-8") == drawn()


def _plain(row: tuple[str, ...]) -> tuple[str, str, frozenset[str]]:
    """The statement as a set of its parts: in which order they stand makes no difference."""
    return (
        row[0],
        row[1],
        frozenset(part.strip(" \t)") for part in re.split(r",\s*|\n", row[2].replace(f'"{row[1]}"', row[1]))),
    )


def test_the_newest_step_is_known() -> None:
    """0002 filers, 0003 family names, 0004 assertions, 0005 nodes, 0006 replies, 0007 counters of routes."""
    assert newest() == "0016"


# Transactions and groups ----------------------------------------------------------------------------------


def test_what_its_caller_gave_up_before_it_began_is_left_out(world: World) -> None:
    """A cancelled order does nothing, and the writer goes on with the others."""
    begun, go = threading.Event(), threading.Event()

    def slow(_book: Book) -> None:
        begun.set()
        go.wait(20)

    first = world.store.submit(slow)
    assert begun.wait(20)
    given_up = world.store.submit(lambda book: book.note("accept", "message/given-up", "accepted", at=NOON))
    assert given_up.cancel()
    assert not first.cancel()
    go.set()
    world.take(1)

    assert world.store.audit_rows(object="message/given-up") == []


def test_a_listener_that_fails_changes_nothing(world: World) -> None:
    """What was committed is answered as committed, once, and the next one is too."""

    def failing() -> None:
        raise RuntimeError("gone")

    world.store.on_work(failing)
    world.take(1)
    world.take(2)

    assert world.store.counts()["messages"] == {"accepted": 2}


def test_a_poisonous_operation_fails_alone(world: World) -> None:
    """In a group with a failing member, the others are committed and it alone is told."""

    def poison(book: Book) -> None:
        book.note("accept", "message/poison", "accepted", at=NOON)
        raise RuntimeError("poison")

    def good(book: Book, number: int) -> int:
        book.note("accept", f"message/{number}", "accepted", at=NOON)
        return number

    futures = [world.store.submit(good, number) for number in range(20)]
    bad = world.store.submit(poison)
    futures += [world.store.submit(good, number) for number in range(20, 40)]

    assert [future.result() for future in futures] == list(range(40))
    with pytest.raises(RuntimeError):
        bad.result()
    assert world.store.verify_audit() is None
    assert len(world.store.audit_rows()) == 40


@contextmanager
def one_commit(world: World) -> Iterator[None]:
    """Let everything that is handed over within the block go into one commit."""
    begun, go = threading.Event(), threading.Event()

    def slow(_book: Book) -> None:
        begun.set()
        go.wait(20)

    world.store.submit(slow)
    assert begun.wait(20)
    yield
    go.set()


def frozen(world: World, one: Claimed) -> Future[tuple[Freeze, int]]:
    """Hand over the freeze of a claimed copy."""
    copy = Frozen(body=b"{}", media_type="application/fhir+json", level=one.level)
    return world.store.submit(
        freezing.freeze, one, copy=copy, basis=None, seen=one.consents_seen, until=NOON, at=NOON
    )


def accepted(world: World, new: Intake) -> Future[object]:
    """Hand over an intake."""
    return world.store.submit(accepts.commit, accepts.prepare(new, world.store._vault))


def test_what_is_read_ahead_sees_what_stands_before_it_in_the_same_commit(world: World) -> None:
    """A consent that changes between two copies in one commit voids the decision on the second alone."""
    for number in (1, 2):
        world.take(number, subject=f"{number}")
    claimed = world.store.submit(claims.claim, NOON, 9).result()

    with one_commit(world):
        first = frozen(world, claimed[0])
        named = {"origin": "door", "actor": CLINIC, "at": NOON}
        world.store.submit(consents.put, "c", claimed[1].subject, b"{}", **named)  # type: ignore[arg-type]
        second = frozen(world, claimed[1])

    assert (first.result()[0], second.result()[0]) == (Freeze.GO, Freeze.ASK_AGAIN)


def test_a_copy_that_is_superseded_in_the_same_commit_does_not_go(world: World) -> None:
    """What was read ahead of a copy does not hold after the message that supersedes it."""
    one = world.take(1)
    claimed = world.store.submit(claims.claim, NOON, 9).result()

    with one_commit(world):
        accepted(world, intake(2, cancels=one.message, meaning=Meaning.UPDATE))
        late = frozen(world, claimed[0])

    assert late.result()[0] is Freeze.CLOSED


def test_a_copy_does_not_go_on_consents_that_a_message_changes_in_the_same_commit(world: World) -> None:
    """What was read ahead of a copy does not hold after a message that brings a consent of the person."""
    world.take(1)
    claimed = world.store.submit(claims.claim, NOON, 9).result()
    brought = ConsentFiling(
        id="c", subject=SUBJECT, resource={"resourceType": "Consent"}, expected=0, keeps_back=True
    )

    with one_commit(world):
        accepted(world, intake(2, consents=(brought,)))
        late = frozen(world, claimed[0])

    assert late.result()[0] is Freeze.ASK_AGAIN


def test_a_repeat_in_the_same_commit_is_one(world: World) -> None:
    """Handed in twice before either is on disk, a submission is taken in once and answered the same."""
    with one_commit(world):
        answers = [accepted(world, intake(1)) for _ in range(3)]

    assert {answer.result().body for answer in answers} == {intake(1).answer.body}  # type: ignore[attr-defined]
    assert world.store.counts()["messages"] == {"accepted": 1}


def test_rows_written_together_are_those_written_one_by_one(world: World) -> None:
    """Texts, bytes, numbers and what is absent come back as they were given, however many rows there are."""
    given = [
        {"owner": "a", "wrapped": b"\x00\xff", "master": "m{},\"\\'", "made_at": NOON},
        {"owner": "b", "wrapped": None, "master": "", "made_at": NOON + timedelta(microseconds=1)},
    ]

    def write(book: Book) -> None:
        book.run_all(insert(schema.content_key), given)
        book.run_all(
            update(schema.content_key).where(schema.content_key.c.owner == bindparam("the_owner")),
            [{"the_owner": "a", "destroyed_at": NOON}, {"the_owner": "b", "destroyed_at": None}],
        )

    world.store.submit(write).result()

    kept = world.store.rows(select(schema.content_key).order_by(schema.content_key.c.owner))
    ends = ({"destroyed_at": NOON}, {"destroyed_at": None})
    assert [row._asdict() for row in kept] == [{**one, **end} for one, end in zip(given, ends, strict=True)]


def test_operations_that_wait_share_a_commit(world: World) -> None:
    """Many at once need fewer commits than there are operations."""
    commits, operations = world.store.commits
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: world.store.commit_intake(intake(n)), range(1, 200)))
    more_commits, more_operations = world.store.commits
    assert more_operations - operations == 199
    assert more_commits - commits < 199


def test_an_intake_that_breaks_a_rule_of_the_database_leaves_nothing(world: World) -> None:
    """A second delivery with an id that exists undoes the whole intake."""
    first = world.take(1)
    second = intake(2)
    clashing = replace(second, deliveries=(replace(second.deliveries[0], id=first.deliveries[0].id),))

    with pytest.raises(StoreError, match="ST112"):
        world.store.commit_intake(clashing)

    with pytest.raises(NotFound, match="ST121"):
        world.store.message(second.message)


def test_a_state_outside_the_tables_is_refused_by_the_database(world: World) -> None:
    """`received` exists only inside the transaction: the database itself does not keep it."""
    with pytest.raises(StoreError, match="ST112"):
        world.store.commit_intake(intake(1, state=MessageState.RECEIVED))


def test_a_full_disk_refuses_intake_and_keeps_what_was_accepted(file_world: World) -> None:
    """SQLITE_FULL: no answer without storage, everything before it is there, and room lets it go on."""

    def limit(book: Book, pages: int) -> None:
        book.cursor.execute(f"PRAGMA max_page_count = {pages}")

    one = file_world.take(1)
    file_world.store.submit(limit, 1).result()  # as few as it has
    with pytest.raises(StoreError, match="ST110"):
        file_world.store.commit_intake(intake(2, original=b"x" * 5_000_000))
    assert file_world.store.content(one.message, "original") == one.original

    file_world.store.submit(limit, 1_000_000).result()
    file_world.store.commit_intake(intake(2))
    assert file_world.store.counts()["messages"] == {"accepted": 2}


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    """After the end, a write is refused rather than lost."""
    store = open_store(tmp_path)
    store.close()
    with pytest.raises(StoreError, match="ST108"):
        store.commit_intake(intake(1))


# Repeats and conflicts ------------------------------------------------------------------------------------


def test_a_repeat_gets_the_same_answer_and_writes_no_second_message(world: World) -> None:
    """Same sender, same id, same content: the stored bytes, one message, one delivery."""
    first = world.take(1)
    answer = world.store.commit_intake(replace(intake(1), message="other", deliveries=()))
    assert (answer.body, answer.message) == (first.answer.body, first.message)
    assert world.store.counts()["deliveries"] == {"queued": 1}


def test_sixteen_of_the_same_at_once_make_one_message(world: World) -> None:
    """Concurrent duplicates: one is stored, all get its answer."""
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: world.store.commit_intake(intake(1)), range(16)))
    assert len({answer.body for answer in answers}) == 1
    assert world.store.counts()["messages"] == {"accepted": 1}


def test_other_content_under_the_same_id_is_a_conflict_and_both_are_kept(world: World) -> None:
    """ST120 to the sender, the second bytes to the operator, nothing sent."""
    first = world.take(1)
    other = replace(intake(1), message="other", digest="f" * 64, original=b"something else")

    with pytest.raises(Conflict, match="ST120"):
        world.store.commit_intake(other)

    (kept,) = world.store.conflicts()
    assert (kept.message, world.store.conflict_content(kept.id)) == (first.message, b"something else")


def test_the_same_id_of_another_sender_is_another_message(world: World) -> None:
    """Keys belong to their sender."""
    world.take(1)
    world.store.commit_intake(replace(intake(2), keys=(key("n1"),), sender=CLINIC))
    assert world.store.counts()["messages"] == {"accepted": 2}


def test_the_very_bytes_are_known_before_anything_is_mapped(world: World) -> None:
    """The cheap look: same sender, source and bytes; another source or sender has not sent them."""
    new = world.take(1)
    look = world.store.answer_to
    known = look(HOSPITAL, source="ehr1", body=new.original)
    assert known is not None
    assert known.message == new.message
    assert look(HOSPITAL, source="ehr2", body=new.original) is None
    assert look(CLINIC, source="ehr1", body=new.original) is None


def test_a_change_of_identity_is_found_behind_any_number_of_messages(world: World) -> None:
    """The question before each send sees the whole of the person's messages since the delivery was queued."""
    changed = intake(1, subject=SUBJECT)
    world.store.commit_intake(replace(changed, meaning=Meaning.IDENTITY_CHANGE, deliveries=()))
    for number in range(2, 104):
        world.store.commit_intake(replace(intake(number, subject=SUBJECT), deliveries=()))

    asked = [world.store.was_identity_changed(SUBJECT, NOON + timedelta(hours=late)) for late in (0, 1)]
    assert asked == [True, False]


def test_an_invalid_submission_may_be_tried_again(world: World) -> None:
    """Its bytes are not remembered as done: after a map was mended the same bytes are taken."""
    bad = replace(intake(1), state=MessageState.INVALID, keys=(), deliveries=(), content=None)
    world.store.commit_intake(bad)
    world.store.commit_intake(replace(intake(1), message="mended"))
    assert world.store.counts()["messages"] == {"accepted": 1, "invalid": 1}


# A person decides -----------------------------------------------------------------------------------------


def test_a_message_without_route_is_assigned_by_a_person(world: World) -> None:
    """needs-routing -> accepted, with the recipients that were named."""
    made = intake(1)
    world.store.commit_intake(replace(made, state=MessageState.NEEDS_ROUTING, deliveries=()))
    world.store.assign(made.message, made.deliveries, ())
    assert world.store.message(made.message).state is MessageState.ACCEPTED
    assert world.due() == 1


def test_a_message_is_assigned_once(world: World) -> None:
    """A second assignment has no step in the table."""
    new = world.take(1)
    with pytest.raises(Conflict, match="DL101"):
        world.store.assign(new.message, (), ())


def test_a_message_without_route_may_be_declined(world: World) -> None:
    """needs-routing -> closed."""
    made = intake(1)
    world.store.commit_intake(replace(made, state=MessageState.NEEDS_ROUTING, deliveries=()))
    world.store.decline(made.message, actor="operator", reason="nobody to tell")
    assert world.store.message(made.message).state is MessageState.CLOSED


# Directory, agreements, consents --------------------------------------------------------------------------


def test_the_directory_keeps_its_versions(world: World) -> None:
    """An import changes only what changed, and what is missing ends."""
    one = {"resourceType": "Organization", "id": "1", "name": "Invented clinic"}
    two = {"resourceType": "Organization", "id": "2"}
    assert world.store.import_directory([one, two], NOON) == 2
    assert world.store.import_directory([one, two], NOON) == 0
    mark = world.store.directory_version()

    assert world.store.import_directory([{**one, "name": "Renamed clinic"}], NOON) == 2

    assert [each["name"] for each in world.store.directory()] == ["Renamed clinic"]
    assert world.store.directory_version() > mark


def test_agreements_come_back_by_name(world: World) -> None:
    """Plain values in, the same out."""
    values = {"hospital": HOSPITAL, "age": {"from": 18, "to": 67}}
    world.store.import_agreements({"a": values}, NOON)
    assert world.store.agreements() == {"a": values}


def consent(number: str, status: str = "active") -> NewConsent:
    """An invented consent."""
    resource = {"resourceType": "Consent", "id": number, "status": status}
    return NewConsent(id=number, subject=SUBJECT, resource=resource)


def test_a_consent_has_versions_and_the_newest_counts(world: World) -> None:
    """Versions count up; the same again is no new one."""
    put = [
        world.store.put_consent(consent("c", status), actor=CLINIC, at=NOON)
        for status in ("active", "active", "inactive")
    ]
    assert put == [1, 1, 2]
    assert [(c.version, c.resource["status"]) for c in world.store.consents_for(SUBJECT)] == [(2, "inactive")]
    first = world.store.consent("c", 1)
    assert first is not None
    assert first.resource["status"] == "active"


def test_a_consent_gone_from_the_folder_ends(world: World) -> None:
    """A file that was removed permits nothing any more; one that came by a door stays."""
    world.store.put_consent(consent("door"), actor=CLINIC, at=NOON)
    world.store.import_consents([consent("a"), consent("b")], NOON)
    assert world.store.import_consents([consent("a")], NOON) == 1
    assert {c.id for c in world.store.consents_for(SUBJECT)} == {"a", "door"}


# Forgetting -----------------------------------------------------------------------------------------------


def test_d19_content_goes_when_its_time_has_come_and_the_audit_stays(world: World) -> None:
    """After seven days nothing opens any more; states, times and the chain are still there."""
    new = world.take(1)
    world.drain()
    rows = len(world.store.audit_rows())

    assert world.store.forget(NOON + timedelta(days=6)) == 0
    assert world.store.forget(NOON + timedelta(days=7)) == 1

    assert world.store.content(new.message) is None
    assert world.store.message(new.message).forgotten_at == NOON + timedelta(days=7)
    assert len(world.store.audit_rows()) == rows + 1
    assert world.store.verify_audit() is None


def test_a_forgotten_key_is_not_in_the_files(file_world: World) -> None:
    """The wrapped key is overwritten in the file and folded out of the log."""
    new = file_world.take(1)
    file_world.drain()
    raw = sqlite3.connect(file_world.file)
    (wrapped,) = raw.execute(
        "SELECT wrapped FROM content_key WHERE owner = ?", (f"message/{new.message}",)
    ).fetchone()
    raw.close()

    file_world.store.forget(NOON + timedelta(days=8))

    assert wrapped not in b"".join(path.read_bytes() for path in file_world.file.parent.glob("silta.db*"))


def test_what_is_live_is_not_forgotten(world: World) -> None:
    """Retention waits for the end of every delivery."""
    world.take(1)
    soon = Retention(not_applicable=timedelta(0), delivered=timedelta(0), parked=timedelta(0))
    assert world.store.forget(NOON + timedelta(days=900), soon) == 0


def test_a_repeat_after_forgetting_still_gets_the_same_answer(world: World) -> None:
    """The answer holds no content and outlives it."""
    first = world.take(1)
    world.drain()
    world.store.forget(NOON + timedelta(days=8))
    assert world.store.commit_intake(intake(1)).body == first.answer.body


def test_what_was_forgotten_cannot_be_sent_again(world: World) -> None:
    """A parked delivery whose content is gone is not resent."""
    new = world.take(1)
    world.transport.steps = [status(422)]
    world.drain()
    world.store.forget(NOON + timedelta(days=91))
    with pytest.raises(Conflict, match="ST123"):
        world.store.resend(new.deliveries[0].id, actor="operator", reason="asked")
    assert world.state(new) is DeliveryState.REFUSED
