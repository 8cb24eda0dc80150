"""The ground a store stands on: what differs between the engines, and nothing else.

Everything else in this folder is written once. SQLite has one process, one writer and one clock, so most
answers are short there; on PostgreSQL several nodes write at once, and what one transaction has read another
may have changed. Rows are locked by the statements themselves (`FOR UPDATE`, which SQLite leaves out);
what is no row is locked by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Column, Connection, Engine

    from adapter.outcome import Issue
    from adapter.relay.store.book import Book
    from adapter.relay.store.room import Room


NODES = "nodes"
"""Lock that every node holds for as long as it lives."""


class Ground(Protocol):
    """One engine, opened by this process."""

    writing: Engine
    """One connection, which writes."""
    reading: Engine
    """Connections that can only read."""
    findings: tuple[Issue, ...]
    """What is worth saying about it."""
    has_others: bool
    """True if other processes may write too."""
    takes_columns: bool
    """True if the rows of a statement go as one array for each parameter; else one after the other."""

    def check(self) -> None:
        """Raise StoreError if the database cannot be used: ST115 (damaged), ST116 (not there)."""
        ...

    def lock_schema(self, connection: Connection) -> None:
        """Let nobody else change the schema until the transaction ends."""
        ...

    def take_name(self, connection: Connection, wanted: str) -> str:
        """Return the node's name for as long as this connection lives: nobody else has it."""
        ...

    def lock(self, book: Book, name: str, *, shared: bool = False) -> None:
        """Wait until nobody else holds `name`, and hold it until the transaction ends."""
        ...

    def try_lock(self, book: Book, name: str) -> bool:
        """Hold `name` until the transaction ends; False if somebody else has it."""
        ...

    def lease_time(self, book: Book, now: datetime) -> datetime:
        """Return the time that leases are compared by; `now` is this process's own."""
        ...

    def lock_each(self, book: Book, names: Iterable[str], *, shared: bool = False) -> None:
        """Lock every name as `lock` does, all in one order."""
        ...

    def in_one_go(self, book: Book) -> AbstractContextManager[Any]:
        """Return what lets writes, whose outcome nobody asks for, go to the database together."""
        ...

    def numbers(self, book: Book, column: Column[int], count: int) -> Iterator[int]:
        """Return at least `count` numbers that no row has in this column yet, nor another node gives one."""
        ...

    def announce(self, book: Book) -> None:
        """Tell the other nodes, with the commit, that something may be due."""
        ...

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` from now on when another node announces something."""
        ...

    def is_lost(self, exc: BaseException) -> bool:
        """Return True if the connection is gone, so that nobody knows what became of a commit."""
        ...

    def may_pass(self, exc: BaseException) -> bool:
        """Return True if the same transaction may succeed when it is run again."""
        ...

    def translated(self, exc: BaseException) -> Exception:
        """End the database's exceptions here, without their text, which may quote what was to be written."""
        ...

    def unread(self, exc: BaseException) -> Exception:
        """Return what a question that could not be answered is told."""
        ...

    def room(self) -> Room:
        """Return what the disk has left, as far as this process can see it."""
        ...

    def keep_ballast(self, size: int) -> None:
        """Reserve room for what is under way."""
        ...

    def make_room(self, exc: BaseException) -> bool:
        """Give the ballast up if the disk is full; True if that may have helped."""
        ...

    def copy_to(self, place: Path, at: datetime) -> int:
        """Make a copy of the database that holds when it is opened; return its size in bytes."""
        ...

    def sweep(self, engine: Engine) -> None:
        """Leave nothing of what was forgotten in log or free pages; runs between transactions."""
        ...

    def close(self) -> None:
        """Leave it in order for the next one, and let go of everything."""
        ...

    def abandon(self) -> None:
        """Let go of everything as it is."""
        ...


def cause_of(exc: BaseException) -> Any:  # noqa: ANN401  (whatever the driver raised)
    """Return the driver's own exception under SQLAlchemy's."""
    return getattr(exc, "orig", None) or exc
