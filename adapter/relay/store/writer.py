"""One thread, one connection: every write of this process, in groups that share one commit.

A commit with `synchronous=FULL` waits for the disk. Whatever is queued while one waits goes into the next
one together, so that throughput rises with load and nobody's promise is weakened: a future resolves after
the commit that holds its operation. If one member of a group fails, the group is rolled back and each
member runs in a transaction of its own, so that a poisonous operation fails alone.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from adapter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Engine

    from adapter.relay.store.book import Book

T = TypeVar("T")

GROUP_MEMBERS = 256
GROUP_SECONDS = 0.002
"""A group stops growing after this, so that the first one in does not wait for the last."""


class _Order(NamedTuple):
    operation: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    future: Future[Any]
    alone: bool = False
    """Runs with the engine itself, outside any transaction."""


class Writer:
    """Runs operations `operation(book, *args, **kwargs)` one after the other, in group commits.

    `open_book(connection)` makes the book of a transaction; `committed(book)` hears of each commit and does
    not fail.
    """

    def __init__(
        self,
        engine: Engine,
        open_book: Callable[[Connection], Book],
        committed: Callable[[Book], None],
    ) -> None:
        self._engine = engine
        self._open_book = open_book
        self._committed = committed
        self._orders: SimpleQueue[_Order | None] = SimpleQueue()
        self._held: _Order | None = None
        self._closed = False
        self._gate = threading.Lock()
        self.commits = 0
        self.operations = 0
        self._thread = threading.Thread(target=self._work, name="silta-writer", daemon=True)
        self._thread.start()

    def submit(
        self, operation: Callable[..., T], arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> Future[T]:
        """Queue an operation; the future has its result once it is on disk.

        Raises StoreError ST108 once the writer is closed.
        """
        return self._put(_Order(operation, arguments, named, Future()))

    def alone(self, operation: Callable[[Engine], Any]) -> Future[Any]:
        """Queue what must run between transactions, such as a checkpoint."""
        return self._put(_Order(operation, (), {}, Future(), alone=True))

    def _put(self, order: _Order) -> Future[Any]:
        with self._gate:
            if self._closed:
                raise StoreError("ST108")
            self._orders.put(order)
        return order.future

    def close(self) -> bool:
        """Finish what is queued, then stop. False if that was done before."""
        with self._gate:
            if self._closed:
                return False
            self._closed = True
            self._orders.put(None)
        self._thread.join()
        return True

    def _work(self) -> None:
        with self._engine.connect() as connection:
            while group := self._next_group():
                # What its caller gave up before it began is left out; what has begun cannot be given up.
                wanted = [order for order in group if order.future.set_running_or_notify_cancel()]
                if wanted and wanted[0].alone:
                    self._run_alone(wanted[0])
                elif wanted:
                    self._commit(connection, wanted)

    def _next_group(self) -> list[_Order]:
        """Wait for one order, then take what else is there already; empty means stop."""
        order = self._held or self._orders.get()
        self._held = None
        if order is None:
            return []
        group = [order]
        until = time.monotonic() + GROUP_SECONDS
        while not order.alone and len(group) < GROUP_MEMBERS and time.monotonic() < until:
            try:
                order = self._orders.get_nowait()
            except Empty:
                break
            if order is None:
                self._orders.put(None)
                break
            if order.alone:
                self._held = order
                break
            group.append(order)
        return group

    def _run_alone(self, order: _Order) -> None:
        try:
            order.future.set_result(order.operation(self._engine))
        except Exception as exc:
            order.future.set_exception(_translated(exc))

    def _commit(self, connection: Connection, group: list[_Order]) -> None:
        try:
            book, results = self._together(connection, group)
        except Exception as exc:
            if len(group) == 1:
                group[0].future.set_exception(_translated(exc))
                return
            for order in group:
                self._commit(connection, [order])
            return
        self.commits += 1
        self.operations += len(group)
        self._committed(book)
        for order, result in zip(group, results, strict=True):
            order.future.set_result(result)

    def _together(self, connection: Connection, group: list[_Order]) -> tuple[Book, list[Any]]:
        with connection.begin():
            book = self._open_book(connection)
            results = [order.operation(book, *order.arguments, **order.named) for order in group]
            book.flush()
        return book, results


def _translated(exc: Exception) -> Exception:
    """End the database's exceptions here, without their text, which may quote what was to be written."""
    cause = exc.orig if isinstance(exc, DBAPIError) else exc
    if not isinstance(cause, sqlite3.Error | SQLAlchemyError):
        return exc
    name = getattr(cause, "sqlite_errorname", None) or cause.__class__.__name__
    if name == "SQLITE_FULL":
        return StoreError("ST110")
    if isinstance(cause, sqlite3.IntegrityError):
        return StoreError("ST112", params={"name": name})
    if isinstance(cause, sqlite3.OperationalError):
        return StoreError("ST111", params={"name": name})
    return StoreError("ST113", params={"name": name})
