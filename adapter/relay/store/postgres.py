"""The PostgreSQL database: several nodes on it at once, each with one connection that writes.

A node's name is taken by a session's advisory lock on its writing connection, so that two processes never
write one audit chain. What is no row is locked by name, by advisory locks of the transaction. Times of
leases come from the database, which all nodes ask. NOTIFY only wakes: whoever misses it looks again within
a second.

Session locks and LISTEN need a session: connect directly or through a pooler that gives one.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from datetime import UTC
from selectors import EVENT_READ, DefaultSelector
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from adapter.errors import Conflict, Malformed, StoreError
from adapter.relay.store.arrays import KINDS
from adapter.relay.store.ground import NODES, cause_of
from adapter.relay.store.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Column, Connection, Engine
    from sqlalchemy.engine import URL

    from adapter.outcome import Issue
    from adapter.relay.clock import Clock
    from adapter.relay.store.arrays import Array
    from adapter.relay.store.book import Book

log = logging.getLogger(__name__)

OLDEST = 140000
"""`server_version_num` of the oldest version that is tested."""
NAMES = 100
"""Nodes that may share a wanted name: `silta`, `silta-2`, `silta-3` and so on."""
CHANNEL = "silta_work"
CONNECT_SECONDS = 5
LISTEN_AGAIN_SECONDS = 1.0

_SESSION = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "silta",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_WRITER = (
    "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed -c lock_timeout=20s "
    # A node that is paused within a transaction stops nobody for long.
    "-c idle_in_transaction_session_timeout=30s"
)
_READER = "-c default_transaction_read_only=on"

_PASSES = frozenset({"40001", "40P01", "23505", "55P03"})
"""Serialization failure, deadlock, a key that another node has just written, a lock not had in time."""
_FULL = "53100"
_IDLE = "25P03"
"""The server ended a session that had done nothing within a transaction for too long."""

_NO_TEXT = "22021"
"""A character that no text can hold; what is written here is UTF-8, so only U+0000 is left."""

_TIME = select(func.clock_timestamp())


def lock_key(name: str) -> int:
    """Return the number of an advisory lock: 64 bits of a hash of its name."""
    return int.from_bytes(hashlib.sha256(f"silta/{name}".encode()).digest()[:8], "big", signed=True)


class PostgresGround:
    """One database, shared with other nodes. See `Ground`.

    `times`: whose time leases go by instead of the database's; for simulations. Raises StoreError ST117 if
    the driver is not installed.
    """

    has_others = True
    takes_columns = True
    findings: tuple[Issue, ...] = ()

    def __init__(self, url: URL, times: Clock | None = None) -> None:
        try:
            import psycopg
        except ImportError as exc:
            raise StoreError("ST117") from exc
        self._psycopg = psycopg
        self._times = times
        self._url = url.set(drivername="postgresql+psycopg")
        self._listener: _Listener | None = None
        self.writing = self._engine(_WRITER, poolclass=NullPool)
        self.reading = self._engine(
            _READER, poolclass=QueuePool, pool_size=4, max_overflow=4, isolation_level="AUTOCOMMIT"
        )

    def _engine(self, options: str, **more: Any) -> Engine:  # noqa: ANN401  (of create_engine)
        given = {**_SESSION, "options": options}
        engine = create_engine(
            self._url, hide_parameters=True, paramstyle="format", connect_args=given, **more
        )
        event.listen(engine, "connect", self._teach_arrays)
        return engine

    def _teach_arrays(self, connection: Any, _record: object) -> None:  # noqa: ANN401  (the driver's)
        """Let the driver send arrays as they are written here."""
        for kind in KINDS:
            connection.adapters.register_dumper(kind, _dumper_of(kind, self._psycopg.adapt.Dumper))

    def check(self) -> None:
        """Raise StoreError ST116 if it does not answer, ST118 if it is too old or not in UTF-8."""
        try:
            with self.reading.connect() as connection:
                version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
                encoding = str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())
        except SQLAlchemyError as exc:
            raise StoreError("ST116", params={"name": _name(cause_of(exc))}) from None
        if version < OLDEST or encoding != "UTF8":
            raise StoreError("ST118", params={"version": version, "encoding": encoding})

    def lock_schema(self, connection: Connection) -> None:
        """Let nobody else change the schema until the transaction ends."""
        connection.execute(select(func.pg_advisory_xact_lock(lock_key("schema"))))

    def take_name(self, connection: Connection, wanted: str) -> str:
        """Return the wanted name, or the first free one after it, locked for this session."""
        connection.execute(select(func.pg_advisory_lock_shared(lock_key(NODES))))
        for number in range(1, NAMES + 1):
            name = wanted if number == 1 else f"{wanted}-{number}"
            if connection.execute(select(func.pg_try_advisory_lock(lock_key(f"node/{name}")))).scalar():
                return name
        raise StoreError("ST101")

    def lock(self, book: Book, name: str, *, shared: bool = False) -> None:
        """Wait until nobody else holds `name`, and hold it until the transaction ends."""
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        book.cursor.execute(f"SELECT {function}(%s)", (lock_key(name),))

    def try_lock(self, book: Book, name: str) -> bool:
        """Hold `name` until the transaction ends; False if somebody else has it."""
        book.cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (lock_key(name),))
        return bool(book.cursor.fetchone()[0])

    def lease_time(self, book: Book, now: datetime) -> datetime:
        """Return the database's time, asked once a transaction."""
        if self._times is not None:
            return self._times.now()
        if book.asked_time is None:
            asked: datetime = book.scalar(_TIME)
            book.asked_time = asked.astimezone(UTC)
        return book.asked_time

    def lock_each(self, book: Book, names: Iterable[str], *, shared: bool = False) -> None:
        """Wait for one name after the other, in the order of their numbers, within one statement."""
        function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        keys = sorted({lock_key(name) for name in names})
        if keys:
            statement = f"SELECT {function}(key) FROM unnest(%s::bigint[]) AS key"  # noqa: S608 - a name of two
            book.cursor.execute(statement, (keys,))

    def in_one_go(self, book: Book) -> AbstractContextManager[Any]:
        """Let the writes of the block wait for their answers together, at its end."""
        pipeline: AbstractContextManager[Any] = book.cursor.connection.pipeline()
        return pipeline

    def numbers(self, book: Book, column: Column[int], count: int) -> Iterator[int]:
        """Return as many of the column's sequence."""
        book.cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            (column.table.name, column.name, count),
        )
        return iter([row[0] for row in book.cursor.fetchall()])

    def announce(self, book: Book) -> None:
        """Tell the other nodes, with the commit, that something may be due."""
        book.cursor.execute(f"NOTIFY {CHANNEL}")

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard`, in a thread of its own, when another node announces something."""
        if self._listener is None:
            self._listener = _Listener(self._psycopg, self._url, heard)

    def is_lost(self, exc: BaseException) -> bool:
        """Return True if the connection is gone, so that nobody knows what became of a commit."""
        cause = cause_of(exc)
        if not isinstance(cause, self._psycopg.Error):
            return False
        state = cause.sqlstate or ""
        if state == _IDLE:
            return True
        return isinstance(cause, self._psycopg.OperationalError | self._psycopg.InterfaceError) and (
            not state or state.startswith(("08", "57P"))
        )

    def may_pass(self, exc: BaseException) -> bool:
        """Return True if the same transaction may succeed when it is run again."""
        return getattr(cause_of(exc), "sqlstate", None) in _PASSES

    def _holds_nul(self, cause: BaseException) -> bool:
        """Return True if a text with U+0000 was to be written or asked for.

        The driver refuses it itself; within an array the database does.
        """
        return isinstance(cause, self._psycopg.DataError) and cause.sqlstate in (None, _NO_TEXT)

    def translated(self, exc: BaseException) -> Exception:
        """Return ST110 (disk full), ST111, ST112, ST113, ST116 (not there), or the exception itself.

        A text with U+0000 is the caller's fault: IN120.
        """
        cause = cause_of(exc)
        if not isinstance(cause, self._psycopg.Error | SQLAlchemyError):
            return exc if isinstance(exc, Exception) else StoreError("ST113", params={"name": "stopped"})
        if self._holds_nul(cause):
            return Malformed("IN120")
        name = _name(cause)
        if self.is_lost(exc):
            return StoreError("ST116", params={"name": name})
        if getattr(cause, "sqlstate", None) == _FULL:
            return StoreError("ST110")
        if isinstance(cause, self._psycopg.IntegrityError):
            return StoreError("ST112", params={"name": name})
        if isinstance(cause, self._psycopg.OperationalError):
            return StoreError("ST111", params={"name": name})
        return StoreError("ST113", params={"name": name})

    def unread(self, exc: BaseException) -> Exception:
        """Return ST116 if it is not there, IN120 for a text with U+0000, else ST111 with the fault's name."""
        if self._holds_nul(cause_of(exc)):
            return Malformed("IN120")
        return StoreError("ST116" if self.is_lost(exc) else "ST111", params={"name": _name(cause_of(exc))})

    def room(self) -> Room:
        """Return `AMPLE`: the disk is the database server's to watch."""
        return Room.AMPLE

    def keep_ballast(self, size: int) -> None:
        """Nothing: the disk is the database server's."""

    def make_room(self, exc: BaseException) -> bool:
        """Return False: the disk is the database server's."""
        return False

    def copy_to(self, place: Path, at: datetime) -> int:
        """Raise Conflict ST125: the database's own means copy it."""
        raise Conflict("ST125")

    def sweep(self, engine: Engine) -> None:
        """Free the rows of what was forgotten, so that their pages are written over."""
        with self.writing.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM content_key, payload")

    def close(self) -> None:
        """Let go of every connection."""
        self.abandon()

    def abandon(self) -> None:
        """Let go of every connection."""
        if self._listener is not None:
            self._listener.stop()
        self.reading.dispose()
        self.writing.dispose()


def _dumper_of(kind: type[Array], base: Any) -> Any:  # noqa: ANN401  (classes of the driver)
    """Return what the driver asks about arrays of this kind: they are written already, in binary."""
    return type(kind.__name__, (base,), {"oid": kind.oid, "format": 1, "dump": lambda _self, array: array})


class _Listener:
    """Hears other nodes' announcements on a connection of its own; without one it tries again each second."""

    def __init__(self, psycopg: Any, url: URL, heard: Callable[[], None]) -> None:  # noqa: ANN401
        self._psycopg = psycopg
        self._address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._heard = heard
        self._stopped = threading.Event()
        self._bell, self._rung = socket.socketpair()
        self._thread = threading.Thread(target=self._work, name="silta-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, now."""
        self._stopped.set()
        self._bell.close()
        self._thread.join()
        self._rung.close()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                self._hear()
            except self._psycopg.Error as exc:
                log.info("store: not listening: %s", _name(exc))
                self._stopped.wait(LISTEN_AGAIN_SECONDS)

    def _hear(self) -> None:
        with self._psycopg.connect(self._address, autocommit=True, **_SESSION) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            with DefaultSelector() as waiting:
                waiting.register(connection, EVENT_READ)
                waiting.register(self._rung, EVENT_READ)
                while not self._stopped.is_set():
                    waiting.select(LISTEN_AGAIN_SECONDS)
                    for _ in connection.notifies(timeout=0):
                        self._heard()


def _name(cause: object) -> str:
    return getattr(cause, "sqlstate", None) or cause.__class__.__name__
