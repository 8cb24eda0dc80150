"""The store: everything the relay knows, committed before anybody is told.

SQL lives in this folder alone. Writes go through one thread with one connection (`writer`), reads through
query-only connections. Every write method blocks until its transaction is on disk; `submit` is the same
without blocking.

    ground       what differs between the engines
    sqlite       the file: mode, lock, pragmas, transactions
    postgres     the database that several nodes share            process    when a node is proven dead
    schema       the tables            upgrade, migrations    how they came to be
    cipher       keys and envelopes    writer, book           one write transaction
    intake, claims, deliveries, outcomes, replays, consents, references, retention    operations
    reading      the read side         values                 what is handed out
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import orjson
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.engine import make_url

import adapter
from adapter.errors import Conflict, StoreError
from adapter.relay import audit as chain
from adapter.relay.clock import RandomIds
from adapter.relay.message import AuditRecord
from adapter.relay.retry import FIRST_PAUSE
from adapter.relay.store import (
    alarms,
    assertions,
    cases,
    claims,
    consents,
    deliveries,
    holds,
    intake,
    outcomes,
    postgres,
    process,
    references,
    replays,
    retention,
    schema,
    seals,
    sqlite,
)
from adapter.relay.store.book import Book, newest_head
from adapter.relay.store.cipher import Vault
from adapter.relay.store.prepared import Library
from adapter.relay.store.reading import Reader
from adapter.relay.store.room import BALLAST, Room, room_at
from adapter.relay.store.upgrade import upgrade
from adapter.relay.store.values import Backup
from adapter.relay.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime, timedelta
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

    from adapter.outcome import Issue
    from adapter.relay.alarm import Alarm, Facts, Limits, Notice
    from adapter.relay.case import CaseStep
    from adapter.relay.clock import Clock, Ids
    from adapter.relay.message import (
        Answer,
        Behind,
        DeliveryState,
        Intake,
        Level,
        NewDelivery,
        PlanHead,
    )
    from adapter.relay.store.ground import Ground
    from adapter.relay.store.values import (
        AckCode,
        Claimed,
        Matched,
        NewConsent,
        ReplayRow,
        Retention,
    )

log = logging.getLogger(__name__)

_MASTER = select(schema.node.c.master).order_by(schema.node.c.started_at).limit(1)
_PROCESS = select(schema.node.c.process).where(schema.node.c.name == bindparam("the_name"))
_ADD_NODE = insert(schema.node)
_START_NODE = update(schema.node).where(schema.node.c.name == bindparam("the_name"))
_NODES = select(schema.audit.c.node).distinct()


ROOM_SECONDS = 1.0
"""How often the disk is looked at, at most."""

P = ParamSpec("P")
T = TypeVar("T")


class Store(Reader):
    """One database, open in this process: read as `Reader` says, written here. Made by `Store.open`."""

    findings: tuple[Issue, ...]
    """What is worth saying about the ground it stands on: an SQLite with a known fault."""

    def __init__(self, *, ground: Ground, vault: Vault, clock: Clock, ids: Ids, node: str) -> None:
        super().__init__(ground, vault)
        self._clock = clock
        self._ids = ids
        self.parties_known: dict[str, bool] | None = None
        self._known_parties: frozenset[str] = frozenset()
        self._listeners: list[Callable[[], None]] = []
        self._wanted = node
        self.node = node
        """Name of this process in audit and leases; where others have it too, with a number behind."""
        self._is_successor = False
        self._room = Room.AMPLE
        self._room_seen_at = -ROOM_SECONDS
        self.findings = ground.findings
        self._statements = Library(ground.writing.dialect)
        self._writer = Writer(
            ground,
            self._connect,
            self._open_book,
            self._committed,
            apart=frozenset((claims.claim,)) if ground.has_others else frozenset(),
            foresights={claims.freeze: claims.foresee, outcomes.record_attempt: outcomes.foresee},
        )

    # -- opening and closing -----------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        url: str,
        *,
        key: bytes,
        clock: Clock,
        node: str = "silta",
        ids: Ids | None = None,
        steps: Path | None = None,
        lease_times: Clock | None = None,
        disk: Callable[[Path], Room] = room_at,
    ) -> Store:
        """Open the store at `url` and lead it to the newest schema first.

        `url`: `sqlite:///path` or `postgresql://…`. `key`: the master key, 32 bytes, which the database never
        holds. `steps`: folder of migrations, for tests. `lease_times`: whose time the leases of several nodes
        go by, for simulations; None: the database's. `disk`: what the disk of a file has left. Leases that a
        dead process left are void at once where it is proven dead.

        Raises StoreError ST101 (another process has it), ST102 (a migration failed and changed nothing),
        ST103 (made with another key), ST104 (the file cannot be used), ST106 (no such engine), ST109 (newer
        than this program), ST115 (damaged), ST116 (not there), ST117 (no driver), ST118 (too old);
        ConfigurationError ST105 (key length).
        """
        vault = Vault(key)
        ground = _ground(make_url(url), lease_times, disk)
        try:
            ground.check()
            upgrade(ground, *([steps] if steps else []))
            store = cls(ground=ground, vault=vault, clock=clock, ids=ids or RandomIds(), node=node)
        except BaseException:
            ground.abandon()
            raise
        try:
            store._begin()
        except BaseException:
            store._writer.close()
            ground.abandon()
            raise
        return store

    def _begin(self) -> None:
        """Take back what a dead process held, and hear of other nodes' work."""
        now = self._clock.now()
        self._do(_nothing)
        if not self._ground.has_others:
            self._do(claims.recover, now, everything=True)
        elif self._is_successor:
            self._do(claims.recover_own, now)
        self.seal_audit()
        self._ground.listen(self._wake)

    def close(self) -> None:
        """Finish what is queued, give back what is leased, and let others have the store."""
        if self._ground.has_others:
            with suppress(StoreError):  # without the database the leases end by themselves
                self._do(claims.recover_own, self._clock.now())
                self.seal_audit()
        if self._writer.close():
            self._ground.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> Connection:
        """Open the connection that writes: take the node's name, see that the key fits, find its chain.

        Raises StoreError ST103 if the store was made with another master key.
        """
        connection = self._ground.writing.connect()
        try:
            with connection.begin():
                self.node = self._ground.take_name(connection, self._wanted)
                self._is_successor = _enter(connection, self._vault, self.node, self._clock.now())
                self._head = newest_head(connection, self.node)
        except BaseException:
            connection.close()
            raise
        return connection

    # -- writing -----------------------------------------------------------------------------------------

    def _open_book(self, connection: Connection) -> Book:
        return Book(
            connection,
            self._statements,
            self._vault,
            self._clock,
            self._ids,
            self._head,
            self._ground,
            deliveries.last,
            self._known_parties,
        )

    def _committed(self, book: Book) -> None:
        self._head = book.head
        self._known_parties = book.known_parties
        if book.work:
            self._wake()

    def _wake(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as exc:
                # It is committed, whoever does not hear of it; time alone wakes the delivery too.
                log.error("store: a listener failed: %s", exc.__class__.__name__)

    def on_work(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the writer's thread, after each commit that may have made something due."""
        self._listeners.append(listener)

    def off_work(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        self._listeners.remove(listener)

    def submit(
        self, operation: Callable[Concatenate[Book, P], T], *arguments: P.args, **named: P.kwargs
    ) -> Future[T]:
        """Queue `operation(book, *arguments, **named)`; the future has its result once it is on disk."""
        return self._writer.submit(operation, arguments, named)

    def _do(self, operation: Callable[Concatenate[Book, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        return self.submit(operation, *arguments, **named).result()

    @property
    def commits(self) -> tuple[int, int]:
        """How many commits there were since opening, and how many operations they held."""
        return self._writer.commits, self._writer.operations

    # -- intake ------------------------------------------------------------------------------------------

    def answer_to(self, sender: str, *, source: str, body: bytes) -> Answer | None:
        """Return the stored answer if this sender has handed in the very bytes to the same source before.

        Reads only: the cheap look before anything is mapped.
        """
        key, _ = intake.body_key(self._vault, source, body)
        rows = self.rows(intake.KNOWN, {"sender": sender, "key": key.text})
        return intake.answer_of(rows[0]) if rows else None

    def commit_intake(self, new: Intake) -> Answer:
        """Commit everything of one intake, or return the answer of the same submission before.

        Unreadable and invalid submissions give `keys=()`, or their mended repeat is a conflict; their bytes
        may be tried again too. With `cancels`, what the earlier message has not sent is closed in the same
        transaction. A cancellation gives one CANCELLATION delivery per recipient of the earlier message,
        whatever its state: those for whom nothing ever left are closed instead of sent.

        Raises Conflict with the clash of the key (ST120, ST124) after keeping the second content where an
        operator sees it; StoreError ST119 if the disk is nearly full.
        """
        self._see_room()
        return self._answered(self._do(intake.commit, intake.prepare(new, self._vault)))

    def commit_intake_after(self, new: Intake, newest: str | None) -> Answer | None:
        """Commit an intake that was decided when `newest` was the newest message about its notification.

        None, and nothing is written, if another one was committed since (`newest` None: if there is one now):
        decide again. Else as `commit_intake`.
        """
        self._see_room()
        done = self._do(intake.commit_after, intake.prepare(new, self._vault), newest)
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    def commit_plan(self, new: Intake, newest: str | None, head: PlanHead) -> Answer | None:
        """Commit a version of a plan that was decided when `head` was the newest of all, whoever sent it.

        None, and nothing is written, if there is a newer one: decide again. Else as `commit_intake_after`.
        """
        self._see_room()
        done = self._do(intake.commit_plan, intake.prepare(new, self._vault), newest, head)
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    def commit_conflict(self, new: Intake, behind: Behind) -> Answer:
        """Keep a version of a plan beside the newest one, which its author had not seen.

        Returns the stored answer where it is a repeat of what is known. Raises Conflict with the code of
        `behind`.
        """
        self._see_room()
        return self._answered(self._do(intake.commit_conflict, intake.prepare(new, self._vault), behind))

    def commit_reply(self, new: Intake, step: CaseStep) -> Answer | None:
        """Commit a business reply and move its case in one transaction.

        None, and nothing is written, if the case moved since the step was decided: decide again. Else as
        `commit_intake`. Raises NotFound (ST121) if the copy cannot have been answered.
        """
        done = self._do(intake.commit_reply, intake.prepare(new, self._vault), step)
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    def _see_room(self) -> None:
        """Raise StoreError ST119 if the disk is nearly full; say once when it becomes so, or low."""
        now = time.monotonic()
        if now >= self._room_seen_at + ROOM_SECONDS:
            room = self._ground.room()
            if room is not self._room:
                log.warning("store: room on the disk: %s", room.value)
            self._room, self._room_seen_at = room, now
        if self._room is Room.NONE:
            raise StoreError("ST119")

    def keep_ballast(self, size: int = BALLAST) -> None:
        """Reserve bytes beside a file, given up when the disk is full, so that what is under way goes on."""
        self._ground.keep_ballast(size)

    @staticmethod
    def _answered(done: Answer | intake.Clash) -> Answer:
        if isinstance(done, intake.Clash):
            raise Conflict(done.key.clash, at=done.key.at or None, params={"message": done.message})
        return done

    # -- cases -------------------------------------------------------------------------------------------

    def give_case_time(self, case: str, due_at: datetime) -> None:
        """Say by when an answer to a case is expected."""
        self._do(cases.give_time, case, due_at)

    def tell_overdue(self, case: str, at: datetime) -> bool:
        """Mark a case that nobody answered in time and tell the hospital; False if it was answered since."""
        return self._do(cases.tell_overdue, case, at)

    def close_case(self, case: str, *, actor: str, reason: str) -> None:
        """Call the matter of a case ended. Raises NotFound (ST121), Conflict (DL101)."""
        self._do(cases.close, case, actor=actor, reason=reason, at=self._clock.now())

    # -- a person decides --------------------------------------------------------------------------------

    def assign(self, message: str, deliveries: Sequence[NewDelivery], audit: Sequence[AuditRecord]) -> None:
        """Give a message that needs routing its recipients, as a person named them."""
        self._do(intake.assign, message, deliveries, audit, self._clock.now())

    def decline(self, message: str, *, actor: str, reason: str) -> None:
        """Close a message that needs routing: nobody is to be told."""
        self._do(intake.decline, message, actor=actor, reason=reason, at=self._clock.now())

    def resend(self, delivery: str, *, actor: str, reason: str) -> DeliveryState:
        """Queue a parked or refused delivery again: same ids, and the same bytes if any may have arrived."""
        return self._do(outcomes.resend, delivery, actor=actor, reason=reason, at=self._clock.now())

    def look(self, delivery: str) -> Claimed:
        """Return a delivery as a claim would, without claiming it. Raises NotFound ST121."""
        return self._do(claims.look, delivery)

    def release(
        self, delivery: str, *, level: Level, basis: str, actor: str = "silta", reason: str | None = None
    ) -> DeliveryState:
        """Queue a withheld delivery that is permitted now, or that a person has looked at."""
        return self._do(
            outcomes.release,
            delivery,
            level=level,
            basis=basis,
            at=self._clock.now(),
            actor=actor,
            reason=reason,
        )

    def close_delivery(self, delivery: str, *, actor: str, reason: str) -> DeliveryState:
        """Close a parked or refused delivery."""
        return self._do(outcomes.close, delivery, actor=actor, reason=reason, at=self._clock.now())

    def resume(self, partner: str, *, actor: str, reason: str | None = None) -> None:
        """Lift the rest of a partner's route now. Raises NotFound ST121."""
        self._do(outcomes.resume, partner, actor=actor, reason=reason, at=self._clock.now())

    def add_replay(self, new: ReplayRow, held: Sequence[str]) -> None:
        """Keep a prepared replay and the deliveries it holds, in their order."""
        self._do(replays.add, new, tuple(held))

    def release_replay(self, replay: str, *, actor: str, reason: str) -> None:
        """Let a replay begin that somebody else has prepared.

        Raises NotFound (ST121), NotPermitted (AC119), Conflict (DL101, DL151).
        """
        self._do(replays.release, replay, actor=actor, reason=reason, at=self._clock.now())

    def cancel_replay(self, replay: str, *, actor: str, reason: str) -> None:
        """End a replay and take back what of it has not left. Raises NotFound (ST121), Conflict (DL101)."""
        self._do(replays.cancel, replay, actor=actor, reason=reason, at=self._clock.now())

    # -- hold and copy -----------------------------------------------------------------------------------

    def begin_hold(self, *, actor: str, reason: str) -> None:
        """Let nothing leave until the hold is lifted; one that stands already stays as it is."""
        self._do(holds.begin, actor=actor, reason=reason, at=self._clock.now())

    def begin_shadow(self) -> None:
        """Mark the store as one whose messages are never sent. Raises Conflict (ST127) for a live one."""
        self._do(holds.begin_shadow, self._clock.now())

    def lift_hold(self, *, actor: str, reason: str) -> None:
        """Let what waits go. Raises Conflict (DL152) if nothing is held."""
        self._do(holds.lift, actor=actor, reason=reason, at=self._clock.now())

    def back_up(self, folder: Path, *, actor: str, reason: str) -> Backup:
        """Copy the store, as of one moment and while it works, into a new file.

        The copy holds when it is opened. Without the master key it says nothing of a person.
        Raises Conflict (ST125) where the database's own means copy it, StoreError (ST104, ST110, ST111).
        """
        now = self._clock.now()
        name = f"silta-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.db"
        record = AuditRecord(
            at=now, actor=actor, action="back-up", object="store", outcome="copied", reason=reason
        )
        self.audit([record])
        head = self.audit_head()
        size = self._ground.copy_to(folder / name, now)
        return Backup(file=name, bytes=size, head=head)

    # -- alarms ------------------------------------------------------------------------------------------

    def alarm_facts(self, audit_fault: str | None) -> Facts:
        """Return what alarms are raised by, as of now. `audit_fault`: what the last `verify_audit` found."""
        return alarms.facts(self, self._clock.now(), self._ground.room(), audit_fault)

    def alarms_due(self, standing: Sequence[Alarm], limits: Limits) -> list[Notice]:
        """Keep which alarms stand, and return those that are to be told of by this process."""
        return self._do(alarms.due, tuple(standing), self._clock.now(), limits)

    def untold(self, notice: Notice) -> None:
        """Nobody could be told of an alarm: it is told again at the next look."""
        self._do(alarms.untold, notice)

    # -- acknowledgements --------------------------------------------------------------------------------

    def acknowledgement(
        self,
        partner: str,
        response_identifier: str,
        code: AckCode,
        body: bytes,
        now: datetime,
        *,
        retry_after: timedelta = FIRST_PAUSE,
    ) -> Matched:
        """Take in an acknowledgement; `response_identifier` is matched by header id, then by bundle id.

        Only this partner's deliveries can match. `retry_after`: the wait after a transient-error.
        """
        return self._do(
            outcomes.acknowledge, partner, response_identifier, code, body, now, retry_after=retry_after
        )

    # -- directory, agreements, consents -----------------------------------------------------------------

    def import_parties(self, takers: Mapping[str, bool]) -> None:
        """Make known the partners, by key, and whether each takes delivery reports.

        What is the same as before costs nothing.
        """
        if self.parties_known != takers:
            self._do(outcomes.import_parties, dict(takers))
            self.parties_known = dict(takers)

    def import_directory(self, resources: Iterable[dict[str, Any]], at: datetime) -> int:
        """Make the directory these resources; returns how many changed. Older versions stay."""
        texts = {f"{one['resourceType']}/{one['id']}": _written(one).decode() for one in resources}
        return self._do(references.replace, schema.directory, texts, at)

    def import_agreements(self, agreements: Mapping[str, Mapping[str, Any]], at: datetime) -> int:
        """Make the agreements these, by name; values are plain JSON. Returns how many changed."""
        texts = {
            name: orjson.dumps(one, option=orjson.OPT_SORT_KEYS).decode() for name, one in agreements.items()
        }
        return self._do(references.replace, schema.agreement, texts, at)

    def import_consents(self, new: Iterable[NewConsent], at: datetime) -> int:
        """Make the folder's consents these; those missing now end. Returns how many changed."""
        prepared = [(one.id, one.subject, _written(one.resource)) for one in new]
        return self._do(consents.replace, prepared, at)

    def put_consent(
        self,
        new: NewConsent,
        *,
        actor: str,
        at: datetime,
        filer: str | None = None,
        reason: str | None = None,
        expected: int | None = None,
    ) -> int:
        """Keep a consent and return its version; the subject's withheld deliveries are asked again.

        `filer`: the organisation it belongs to from its first version on. `expected`: the version it was made
        from, 0 for none. Raises Conflict CO214 if the newest is another.
        """
        version, _ = self._do(
            consents.put,
            new.id,
            new.subject,
            _written(new.resource),
            origin="door",
            actor=actor,
            at=at,
            filer=filer,
            reason=reason,
            expected=expected,
        )
        return version

    def end_consent(self, id: str, *, actor: str, at: datetime) -> None:
        """End a consent that has no successor."""
        self._do(consents.end, id, actor=actor, at=at)

    # -- audit -------------------------------------------------------------------------------------------

    def audit(self, records: Sequence[AuditRecord]) -> None:
        """Write down acts that change nothing else, such as a reveal; before they happen."""
        self._do(_note_all, tuple(records))

    def audit_head(self) -> chain.Head:
        """Return this node's head: keep it elsewhere, and a cut tail will show."""
        return self._do(_head)

    def seal_audit(self) -> int:
        """Seal the other nodes' heads into this one's chain; returns how many had moved."""
        return self._do(seals.seal, self._clock.now()) if self._ground.has_others else 0

    def verify_audit(self, head: chain.Head | None = None) -> chain.BadRow | None:
        """Return the first row that does not fit, or None. `head`: one exported earlier."""
        nodes = {str(row[0]) for row in self.rows(_NODES)} | ({head.node} if head else set())
        sealed = [chain.AuditRow(**row._asdict()) for row in self.rows(seals.SEALED, {})]
        nodes |= {row.object.removeprefix("node/") for row in sealed}  # of whose chain nothing may be left
        for node in sorted(nodes):
            expected = seals.heads(sealed, node)
            if head is not None and head.node == node:
                expected.append(head)
            bad = chain.first_bad(self.chain(node), self._vault.audit, node, *expected)
            if bad is not None:
                return bad
        return None

    # -- callers -----------------------------------------------------------------------------------------

    def remember_assertion(self, client: str, id: str, until: datetime) -> bool:
        """Keep the id of a client's assertion until then; False if the client has used it before."""
        return self._do(assertions.remember, client, id, until)

    # -- keys and retention ------------------------------------------------------------------------------

    def forget(self, now: datetime, kept: Retention | None = None) -> int:
        """Destroy the keys of content whose time has come; returns of how many messages."""
        total = 0
        while done := self._do(retention.forget, now, kept or retention.DEFAULT):
            total += done
        if total:
            self._writer.alone(self._ground.sweep).result()
        return total


def _note_all(book: Book, records: Sequence[AuditRecord]) -> None:
    for record in records:
        book.record(record)


def _head(book: Book) -> chain.Head:
    book.flush()
    return book.head


def _nothing(_book: Book) -> None:
    """See that the database can be written to."""


def _ground(url: URL, lease_times: Clock | None, disk: Callable[[Path], Room]) -> Ground:
    """Return the ground of an address. Raises StoreError ST106 for an engine without one."""
    engine = url.get_backend_name()
    if engine == "sqlite":
        return sqlite.SqliteGround(url, disk)
    if engine == "postgresql":
        return postgres.PostgresGround(url, lease_times)
    raise StoreError("ST106", params={"engine": engine})


def _enter(connection: Connection, vault: Vault, node: str, now: datetime) -> bool:
    """Write down that this node starts; True if the process that had its name is proven dead.

    Raises StoreError ST103 if the store was made with another master key.
    """
    made_with = connection.execute(_MASTER).scalar()
    if made_with is not None and made_with != vault.name:
        raise StoreError("ST103")
    before = connection.execute(_PROCESS, {"the_name": node}).scalar()
    values = {
        "started_at": now,
        "version": adapter.__version__,
        "master": vault.name,
        "process": process.here(),
    }
    if not connection.execute(_START_NODE.values(**values), {"the_name": node}).rowcount:
        connection.execute(_ADD_NODE, {"name": node, **values})
    return process.is_dead(before)


def _written(resource: dict[str, Any]) -> bytes:
    from adapter.fhir import json as fhir_json

    return fhir_json.write(resource)
