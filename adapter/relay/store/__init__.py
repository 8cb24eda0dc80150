"""The store: everything the relay knows, committed before anybody is told.

SQL lives in this folder alone. Writes go through one thread with one connection (`writer`), reads through
query-only connections. Every write method blocks until its transaction is on disk; `submit` is the same
without blocking.

    ground       what differs between the engines
    sqlite       the file: mode, lock, pragmas, transactions
    postgres     the database that several nodes share            process    when a node is proven dead
    schema       the tables            upgrade, migrations    how they came to be
    cipher, keys keys and envelopes    writer, book           one write transaction
    intake, claims, deliveries, outcomes, offers, replays, consents, references, retention    operations
    reading      the read side: asking, then trail, known and standing      values     what is handed out
    writing      the write side: accepting, deciding, importing          offering      the reply form's side
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.engine import make_url

import adapter
from adapter.errors import StoreError
from adapter.relay import audit as chain
from adapter.relay.clock import RandomIds
from adapter.relay.store import (
    alarms,
    assertions,
    claims,
    deliveries,
    freezing,
    intake,
    keys,
    leases,
    outcomes,
    postgres,
    process,
    retention,
    schema,
    seals,
    sqlite,
)
from adapter.relay.store.accepting import Accepting
from adapter.relay.store.book import Book, newest_head
from adapter.relay.store.deciding import Deciding
from adapter.relay.store.importing import Importing
from adapter.relay.store.library import library_of
from adapter.relay.store.offering import Offering
from adapter.relay.store.room import room_at
from adapter.relay.store.upgrade import upgrade
from adapter.relay.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.engine import URL

    from adapter.outcome import Issue
    from adapter.relay.alarm import Alarm, Facts, Limits, Notice
    from adapter.relay.clock import Clock, Ids
    from adapter.relay.store.cipher import Vault
    from adapter.relay.store.ground import Ground
    from adapter.relay.store.room import Room
    from adapter.relay.store.values import Retention

log = logging.getLogger(__name__)

_PROCESS = select(schema.node.c.process).where(schema.node.c.name == bindparam("the_name"))
_ADD_NODE = insert(schema.node)
_START_NODE = update(schema.node).where(schema.node.c.name == bindparam("the_name"))
_NODES = select(schema.audit.c.node).distinct()


class Store(Accepting, Deciding, Importing, Offering):
    """One database, open in this process: read as `Reader` says, written here. Made by `Store.open`."""

    findings: tuple[Issue, ...]
    """What is worth saying about the ground it stands on: an SQLite with a known fault."""

    def __init__(self, *, ground: Ground, vault: Vault, clock: Clock, ids: Ids, node: str) -> None:
        super().__init__(ground, vault)
        self._clock = clock
        self._ids = ids
        self._known_parties: frozenset[str] = frozenset()
        self._listeners: list[Callable[[], None]] = []
        self._wanted = node
        self.node = node
        """Name of this process in audit and leases; where others have it too, with a number behind."""
        self._is_successor = False
        self.findings = ground.findings
        self._statements = library_of(ground.writing.dialect)
        self._writer = Writer(
            ground,
            self._connect,
            self._open_book,
            self._committed,
            apart=frozenset((claims.claim,)) if ground.has_others else frozenset(),
            foresights={
                intake.commit: intake.foresee,
                intake.commit_after: intake.foresee,
                freezing.freeze: freezing.foresee,
                outcomes.record_attempt: outcomes.foresee,
            },
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
        ground = _ground(make_url(url), lease_times, disk)
        try:
            ground.check()
            upgrade(ground, *([steps] if steps else []))
            vault = keys.vault_of(ground, key)
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
            self._do(leases.recover, now, everything=True)
        elif self._is_successor:
            self._do(leases.recover_own, now)
        self.seal_audit()
        self._ground.listen(self._wake)

    def close(self) -> None:
        """Finish what is queued, give back what is leased, and let others have the store."""
        if self._ground.has_others:
            with suppress(StoreError):  # without the database the leases end by themselves
                self._do(leases.recover_own, self._clock.now())
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
        self._reference_commits += book.new_references
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

    @property
    def commits(self) -> tuple[int, int]:
        """How many commits there were since opening, and how many operations they held."""
        return self._writer.commits, self._writer.operations

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

    # -- audit -------------------------------------------------------------------------------------------

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

    def rotate_key(self, new: bytes, *, actor: str, reason: str) -> int:
        """Let another master key, 32 bytes, open the store from now on; returns how many keys it wraps.

        Raises StoreError ST139 while other nodes have it open; ConfigurationError ST105.
        """
        heir = self._vault.heir(new)
        count = self._do(keys.rotate, heir, actor=actor, reason=reason, at=self._clock.now())
        self._vault = heir
        return count

    def forget(self, now: datetime, kept: Retention | None = None) -> int:
        """Destroy the keys of content whose time has come; returns of how many messages."""
        total = 0
        while done := self._do(retention.forget, now, kept or retention.DEFAULT):
            total += done
        self._vault.forget()  # also of what another node has forgotten
        if total:
            self._writer.alone(self._ground.sweep).result()
        return total


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
    keys.check(connection, vault)
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
