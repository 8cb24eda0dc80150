"""The SQLite file: closed to others from birth, locked to one process, opened by two kinds of connection.

Python's sqlite3 (3.11) begins a transaction before INSERT, UPDATE and DELETE only, so a SELECT before them
and a CREATE TABLE stand outside: what is read may be stale when it is written, and a migration that fails
half-way leaves half of itself. Here the driver is told to begin nothing, and SQLAlchemy's own `begin` says
BEGIN IMMEDIATE (writer) or BEGIN (readers).

One connection writes and checkpoints. That is also the answer to the WAL-reset fault of SQLite 3.7.0 to
3.51.2, which needs a second one that does.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool, StaticPool

from adapter.errors import StoreError
from adapter.outcome import Issue
from adapter.relay.store import holds, schema
from adapter.relay.store.book import ENGINE
from adapter.relay.store.ground import cause_of
from adapter.relay.store.room import Room, drop_ballast, keep_ballast, room_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import Column, Connection, Engine
    from sqlalchemy.engine import URL

    from adapter.relay.store.book import Book

log = logging.getLogger(__name__)

SOUND_FROM = (3, 51, 3)
SOUND_BRANCHES = {(3, 44): 6, (3, 50): 7}
"""SQLite versions without the WAL-reset fault: from the first on, or back-ported to these."""

_EVERY_CONNECTION = ("PRAGMA foreign_keys = ON", "PRAGMA busy_timeout = 10000")
_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA temp_store = MEMORY",
)
_READER = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0")


class SqliteGround:
    """One file, one process. See `Ground`. `look`: what the disk of a file has left.

    Raises StoreError ST101 if another process has the file, ST104 if it cannot be one.
    """

    has_others = False
    takes_columns = False

    def __init__(self, url: URL, look: Callable[[Path], Room] = room_at) -> None:
        place = self._place = place_of(url)
        make_file(place)
        self._look = look
        self._lock = Lock(place)
        self.writing = writing(url)
        self.reading = reading(url)
        self.findings = findings()

    def check(self) -> None:
        """Raise StoreError ST115 if the file is damaged, or is no database of ours."""
        try:
            with self.writing.connect() as connection:
                answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except (SQLAlchemyError, sqlite3.Error) as exc:
            raise StoreError("ST115", params={"name": _name(cause_of(exc))}) from None
        if answer != "ok":
            raise StoreError("ST115", params={"name": "quick_check"})

    def lock_schema(self, connection: Connection) -> None:
        """Nobody else is there."""

    def take_name(self, connection: Connection, wanted: str) -> str:
        """Return the wanted name: nobody else is there."""
        return wanted

    def lock(self, book: Book, name: str, *, shared: bool = False) -> None:
        """Nobody else is there."""

    def try_lock(self, book: Book, name: str) -> bool:
        """Return True: nobody else is there."""
        return True

    def lease_time(self, book: Book, now: datetime) -> datetime:
        """Return the process's own time: there is no other."""
        return now

    def lock_each(self, book: Book, names: Iterable[str], *, shared: bool = False) -> None:
        """Nobody else is there."""

    def in_one_go(self, book: Book) -> AbstractContextManager[Any]:
        """Nothing to gain: the database is in this process."""
        return nullcontext()

    def numbers(self, book: Book, column: Column[int], count: int) -> Iterator[int]:
        """Return all that follow the greatest: nobody else is there."""
        book.cursor.execute(f"SELECT max({column.name}) FROM {column.table.name}")  # noqa: S608 - our names
        return itertools.count((book.cursor.fetchone()[0] or 0) + 1)

    def announce(self, book: Book) -> None:
        """Nobody else is there."""

    def listen(self, heard: Callable[[], None]) -> None:
        """Nobody else is there."""

    def is_lost(self, exc: BaseException) -> bool:
        """Return False: a file does not go away."""
        return False

    def may_pass(self, exc: BaseException) -> bool:
        """Return False: what failed once fails again, because nobody else changes anything."""
        return False

    def translated(self, exc: BaseException) -> Exception:
        """Return ST110 (disk full), ST111, ST112, ST113, or the exception itself if it is another's."""
        cause = cause_of(exc)
        if not isinstance(cause, sqlite3.Error | SQLAlchemyError):
            return exc if isinstance(exc, Exception) else StoreError("ST113", params={"name": "stopped"})
        name = _name(cause)
        if name == "SQLITE_FULL":
            return StoreError("ST110")
        if isinstance(cause, sqlite3.IntegrityError):
            return StoreError("ST112", params={"name": name})
        if isinstance(cause, sqlite3.OperationalError):
            return StoreError("ST111", params={"name": name})
        return StoreError("ST113", params={"name": name})

    def unread(self, exc: BaseException) -> Exception:
        """Return ST111 with the name of the fault."""
        return StoreError("ST111", params={"name": _name(cause_of(exc))})

    def room(self) -> Room:
        """Look at the disk that holds the file."""
        return self._look(self._place)

    def keep_ballast(self, size: int) -> None:
        """Reserve room beside the file while there is plenty."""
        if self.room() is Room.AMPLE:
            keep_ballast(self._place, size)

    def make_room(self, exc: BaseException) -> bool:
        """Give the ballast up if the disk is full."""
        return _name(cause_of(exc)) == "SQLITE_FULL" and drop_ballast(self._place)

    def copy_to(self, place: Path, at: datetime) -> int:
        """Copy every page as of one moment, by a connection that reads; the writer goes on meanwhile.

        Raises StoreError ST104 if the file is there already or cannot be made, and as writing does.
        """
        try:
            os.close(os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as exc:
            raise StoreError("ST104", params={"why": exc.__class__.__name__}) from exc
        source = self.reading.raw_connection()
        try:
            with closing(sqlite3.connect(place, isolation_level=None)) as copy:
                source.driver_connection.backup(copy)  # type: ignore[union-attr]
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
                copy.execute(
                    "INSERT INTO hold (began_at, actor, reason) SELECT ?, ?, ? "
                    "WHERE NOT EXISTS (SELECT 1 FROM hold WHERE lifted_at IS NULL)",
                    (schema.write_moment(at), ENGINE, holds.RESTORED),
                )
        except sqlite3.Error as exc:
            place.unlink()
            raise self.translated(exc) from None
        finally:
            source.close()
        return place.stat().st_size

    def sweep(self, engine: Engine) -> None:
        """Fold the write-ahead log into the file and empty it; nothing else uses the writing connection."""
        truncate_log(engine)

    def close(self) -> None:
        """Fold the log into the file and let another process have it.

        A disk that fails now takes nothing back: what was committed stands in the log, and the next start
        folds it.
        """
        self.reading.dispose()
        try:
            truncate_log(self.writing)
        except (SQLAlchemyError, sqlite3.Error) as exc:
            log.error("store: the log stays beside the file: %s", _name(cause_of(exc)))
        self.abandon()

    def abandon(self) -> None:
        """Let the file go as it is."""
        self.reading.dispose()
        self.writing.dispose()
        self._lock.release()


def _name(cause: object) -> str:
    return getattr(cause, "sqlite_errorname", None) or cause.__class__.__name__


def place_of(url: URL) -> Path:
    """Return the file of a `sqlite:///…` address.

    Raises StoreError ST106 for another engine, ST104 for a database without a file.
    """
    if url.get_backend_name() != "sqlite":
        raise StoreError("ST106", params={"engine": url.get_backend_name()})
    if url.database in (None, "", ":memory:"):
        raise StoreError("ST104", params={"why": "memory"})
    return Path(str(url.database))


def make_file(place: Path) -> None:
    """Create the file for its owner alone, before any connection does; SQLite gives -wal and -shm its mode.

    Raises StoreError ST104 if it cannot be made, or is open to others and cannot be closed to them.
    """
    try:
        os.close(os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for file in (place, *_beside(place)):
            if file.exists() and file.stat().st_mode & 0o077:
                file.chmod(0o600)
    except OSError as exc:
        raise StoreError("ST104", params={"why": exc.__class__.__name__}) from exc


def _beside(place: Path) -> tuple[Path, Path]:
    return place.with_name(place.name + "-wal"), place.with_name(place.name + "-shm")


class Lock:
    """The proof that no other process has this file; the kernel lifts it when the process dies.

    Raises StoreError ST101 if another process (or another Store of this one) has it.
    """

    def __init__(self, place: Path) -> None:
        self._file = os.open(
            place.with_name(place.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._file)
            raise StoreError("ST101") from exc

    def release(self) -> None:
        """Let another process have the file."""
        os.close(self._file)


def writing(url: URL) -> Engine:
    """Return the engine with the one connection that writes."""
    engine = create_engine(
        url, poolclass=StaticPool, hide_parameters=True, connect_args={"check_same_thread": False}
    )
    _prepare(engine, (*_EVERY_CONNECTION, *_WRITER), "BEGIN IMMEDIATE")
    return engine


def reading(url: URL, connections: int = 4) -> Engine:
    """Return the engine whose connections can only read."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=connections,
        hide_parameters=True,
        connect_args={"check_same_thread": False},
    )
    _prepare(engine, (*_EVERY_CONNECTION, *_READER), "BEGIN")
    return engine


def _prepare(engine: Engine, pragmas: tuple[str, ...], begin: str) -> None:
    """Take transactions over from the driver, and set what a connection of this kind needs."""

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma).close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def truncate_log(engine: Engine) -> None:
    """Fold the write-ahead log into the file and empty it: what was forgotten is not left in it.

    Nothing else may be using the writing connection.
    """
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    finally:
        connection.close()


def findings(version: tuple[int, int, int] = sqlite3.sqlite_version_info[:3]) -> tuple[Issue, ...]:
    """Return what is worth saying about the SQLite at hand: ST114 if it has the WAL-reset fault."""
    branch = SOUND_BRANCHES.get(version[:2])
    if version >= SOUND_FROM or (branch is not None and version[2] >= branch):
        return ()
    return (Issue("ST114", params={"version": ".".join(map(str, version)), "sound": "3.51.3"}),)
