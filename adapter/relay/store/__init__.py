"""The store: everything the relay knows, committed before anybody is told.

SQL lives in this folder alone. Writes go through one thread with one connection (`writer`), reads through
query-only connections. Every write method blocks until its transaction is on disk; `submit` is the same
without blocking.

    sqlite       the file: mode, lock, pragmas, transactions
    schema       the tables            upgrade, migrations    how they came to be
    cipher       keys and envelopes    writer, book           one write transaction
    intake, claims, deliveries, outcomes, consents, references, retention    operations
    reading      the read side         values                 what is handed out
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import orjson
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

import adapter
from adapter.errors import Conflict, StoreError
from adapter.relay import audit as chain
from adapter.relay.clock import RandomIds
from adapter.relay.retry import FIRST_PAUSE
from adapter.relay.store import (
    assertions,
    claims,
    consents,
    intake,
    outcomes,
    references,
    retention,
    schema,
    sqlite,
)
from adapter.relay.store.book import Book, newest_head
from adapter.relay.store.cipher import Vault
from adapter.relay.store.prepared import Library
from adapter.relay.store.reading import Reader
from adapter.relay.store.upgrade import upgrade
from adapter.relay.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime, timedelta
    from pathlib import Path

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

    from adapter.outcome import Issue
    from adapter.relay.clock import Clock, Ids
    from adapter.relay.message import Answer, AuditRecord, DeliveryState, Intake, Level, NewDelivery
    from adapter.relay.store.values import (
        AckCode,
        Claimed,
        Matched,
        NewConsent,
        Retention,
    )

log = logging.getLogger(__name__)

_NODE = select(schema.node.c.master).order_by(schema.node.c.started_at).limit(1)
_ADD_NODE = insert(schema.node)
_START_NODE = update(schema.node).where(schema.node.c.name == bindparam("the_name"))
_NODES = select(schema.audit.c.node).distinct()


P = ParamSpec("P")
T = TypeVar("T")


class Store(Reader):
    """One database, open in this process: read as `Reader` says, written here. Made by `Store.open`."""

    findings: tuple[Issue, ...]
    """What is worth saying about the ground it stands on: an SQLite with a known fault."""

    def __init__(
        self,
        *,
        lock: sqlite.Lock,
        writing: Engine,
        reading_: Engine,
        vault: Vault,
        clock: Clock,
        ids: Ids,
        node: str,
    ) -> None:
        super().__init__(reading_, Library(writing.dialect), vault)
        self._lock = lock
        self._writing = writing
        self._clock = clock
        self._ids = ids
        self.parties_known: dict[str, bool] | None = None
        self._listeners: list[Callable[[], None]] = []
        self.node = node
        self.findings = sqlite.findings()
        with writing.begin() as connection:
            self._head = newest_head(connection, node)
        self._writer = Writer(writing, self._open_book, self._committed)

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
    ) -> Store:
        """Open the store at `url` (`sqlite:///path`) and lead it to the newest schema first.

        `key`: the master key, 32 bytes, which the database never holds. `steps`: folder of migrations, for
        tests. Leases that a dead process left are void at once, because the lock proves that nobody lives.

        Raises StoreError ST101 (another process has it), ST102 (a migration failed and changed nothing),
        ST103 (made with another key), ST104 (the file cannot be used), ST106 (no such engine), ST109 (newer
        than this program), ST115 (damaged); ConfigurationError ST105 (key length).
        """
        vault = Vault(key)
        address = make_url(url)
        place = sqlite.place_of(address)
        sqlite.make_file(place)
        lock = sqlite.Lock(place)
        try:
            return cls._opened(address, lock, vault, clock, ids or RandomIds(), node, steps)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _opened(
        cls, url: URL, lock: sqlite.Lock, vault: Vault, clock: Clock, ids: Ids, node: str, steps: Path | None
    ) -> Store:
        writing = sqlite.writing(url)
        try:
            _check_file(writing)
            upgrade(writing, *([steps] if steps else []))
            _enter(writing, vault, node, clock.now())
            store = cls(
                lock=lock,
                writing=writing,
                reading_=sqlite.reading(url),
                vault=vault,
                clock=clock,
                ids=ids,
                node=node,
            )
        except BaseException:
            writing.dispose()
            raise
        store.submit(claims.recover, clock.now(), everything=True).result()
        return store

    def close(self) -> None:
        """Finish what is queued, fold the write-ahead log into the file, and let others have it."""
        if not self._writer.close():
            return
        self._engine.dispose()
        sqlite.truncate_log(self._writing)
        self._writing.dispose()
        self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing -----------------------------------------------------------------------------------------

    def _open_book(self, connection: Connection) -> Book:
        return Book(connection, self._library, self._vault, self._clock, self._ids, self._head)

    def _committed(self, book: Book) -> None:
        self._head = book.head
        if book.work:
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
        operator sees it.
        """
        return self._answered(self._do(intake.commit, intake.prepare(new, self._vault)))

    def commit_intake_after(self, new: Intake, newest: str | None) -> Answer | None:
        """Commit an intake that was decided when `newest` was the newest message about its notification.

        None, and nothing is written, if another one was committed since (`newest` None: if there is one now):
        decide again. Else as `commit_intake`.
        """
        done = self._do(intake.commit_after, intake.prepare(new, self._vault), newest)
        return None if isinstance(done, intake.Overtaken) else self._answered(done)

    @staticmethod
    def _answered(done: Answer | intake.Clash) -> Answer:
        if isinstance(done, intake.Clash):
            raise Conflict(done.key.clash, at=done.key.at or None, params={"message": done.message})
        return done

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

    def resume(self, partner: str, *, actor: str) -> None:
        """Lift the rest of a partner's route now."""
        self._do(outcomes.resume, partner, actor=actor, at=self._clock.now())

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

    def verify_audit(self, head: chain.Head | None = None) -> chain.BadRow | None:
        """Return the first row that does not fit, or None. `head`: one exported earlier."""
        nodes = {str(row[0]) for row in self.rows(_NODES)} | ({head.node} if head else set())
        for node in sorted(nodes):
            expected = head if head is not None and head.node == node else None
            bad = chain.first_bad(self.chain(node), self._vault.audit, node, expected)
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
            self._writer.alone(sqlite.truncate_log).result()
        return total


def _note_all(book: Book, records: Sequence[AuditRecord]) -> None:
    for record in records:
        book.record(record)


def _head(book: Book) -> chain.Head:
    book.flush()
    return book.head


def _check_file(engine: Engine) -> None:
    """Raise StoreError ST115 if the file is damaged, or is no database of ours."""
    try:
        with engine.connect() as connection:
            answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except (SQLAlchemyError, sqlite3.Error) as exc:
        name = getattr(getattr(exc, "orig", exc), "sqlite_errorname", exc.__class__.__name__)
        raise StoreError("ST115", params={"name": name}) from None
    if answer != "ok":
        raise StoreError("ST115", params={"name": "quick_check"})


def _enter(engine: Engine, vault: Vault, node: str, now: datetime) -> None:
    """Write down that this node starts.

    Raises StoreError ST103 if the store was made with another master key.
    """
    with engine.begin() as connection:
        made_with = connection.execute(_NODE).scalar()
        if made_with is not None and made_with != vault.name:
            raise StoreError("ST103")
        values = {"started_at": now, "version": adapter.__version__, "master": vault.name}
        if not connection.execute(_START_NODE.values(**values), {"the_name": node}).rowcount:
            connection.execute(_ADD_NODE, {"name": node, **values})


def _written(resource: dict[str, Any]) -> bytes:
    from adapter.fhir import json as fhir_json

    return fhir_json.write(resource)
