"""One thread, one connection: every write of this process, in groups that share one commit.

A commit with `synchronous=FULL` waits for the disk. Whatever is queued while one waits goes into the next
one together, so that throughput rises with load and nobody's promise is weakened: a future resolves after
the commit that holds its operation. If one member of a group fails, the group is rolled back and each
member runs in a transaction of its own, so that a poisonous operation fails alone.

Where other nodes write too, a transaction may meet theirs (a deadlock, a key that was just written): it is
run again. Where the connection is lost nobody knows what became of the commit: its members are told that it
failed, which is safe because each may be repeated, and nothing waits in memory for the database to come back.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from itertools import groupby
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from adapter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from adapter.relay.store.book import Book
    from adapter.relay.store.ground import Ground

T = TypeVar("T")

GROUP_MEMBERS = 256
GROUP_SECONDS = 0.002
"""A group stops growing after this, so that the first one in does not wait for the last."""
NO_FORESIGHTS: Mapping[Callable[..., Any], Callable[[Book, Sequence[Any]], None]] = MappingProxyType({})
TRIES = 6
"""How often an operation is run that keeps meeting other nodes' transactions."""


class _Order(NamedTuple):
    operation: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    future: Future[Any]
    alone: bool = False
    """Runs with the engine itself, outside any transaction."""


class Writer:
    """Runs operations `operation(book, *args, **kwargs)` one after the other, in group commits.

    `connect()` opens the connection that writes, at the start and again after it was lost.
    `open_book(connection)` makes the book of a transaction; `committed(book)` hears of each commit and does
    not fail. `apart`: operations that share no transaction with others. `foresights`: for an operation, what
    reads in one go what those of a group will ask, given the first argument of each.
    """

    def __init__(
        self,
        ground: Ground,
        connect: Callable[[], Connection],
        open_book: Callable[[Connection], Book],
        committed: Callable[[Book], None],
        apart: frozenset[Callable[..., Any]] = frozenset(),
        foresights: Mapping[Callable[..., Any], Callable[[Book, Sequence[Any]], None]] = NO_FORESIGHTS,
    ) -> None:
        self._ground = ground
        self._connect = connect
        self._open_book = open_book
        self._committed = committed
        self._apart = apart
        self._foresights = foresights
        self._connection: Connection | None = None
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
        while group := self._next_group():
            # What its caller gave up before it began is left out; what has begun cannot be given up.
            wanted = [order for order in group if order.future.set_running_or_notify_cancel()]
            if wanted and wanted[0].alone:
                self._run_alone(wanted[0])
            elif wanted:
                self._run(wanted)
        self._drop()

    def _next_group(self) -> list[_Order]:
        """Wait for one order, then take what else is there already; empty means stop."""
        order = self._held or self._orders.get()
        self._held = None
        if order is None:
            return []
        group = [order]
        until = time.monotonic() + GROUP_SECONDS
        while not self._is_apart(order) and len(group) < GROUP_MEMBERS and time.monotonic() < until:
            try:
                order = self._orders.get_nowait()
            except Empty:
                break
            if order is None:
                self._orders.put(None)
                break
            if self._is_apart(order):
                self._held = order
                break
            group.append(order)
        return group

    def _is_apart(self, order: _Order) -> bool:
        return order.alone or order.operation in self._apart

    def _run_alone(self, order: _Order) -> None:
        try:
            order.future.set_result(order.operation(self._ground.writing))
        except Exception as exc:
            order.future.set_exception(self._ground.translated(exc))

    def _run(self, group: list[_Order]) -> None:
        """Commit the group; without a connection nobody in it is kept waiting."""
        try:
            if self._connection is None:
                self._connection = self._connect()
        except Exception as exc:
            self._fail(group, exc)
            return
        self._commit(self._connection, group)

    def _commit(self, connection: Connection, group: list[_Order], tries: int = 1) -> None:
        try:
            book, results = self._together(connection, group)
        except Exception as exc:
            if self._ground.is_lost(exc):
                self._drop()
                self._fail(group, exc)
            elif len(group) > 1:
                for number, order in enumerate(group):
                    if self._connection is None:
                        self._run(group[number:])
                        return
                    self._commit(connection, [order])
            elif self._ground.make_room(exc):
                self._commit(connection, group)
            elif tries < TRIES and self._ground.may_pass(exc):
                time.sleep(random.uniform(0, 0.005) * tries)  # noqa: S311 - that two do not meet again
                self._commit(connection, group, tries + 1)
            else:
                self._fail(group, exc)
            return
        self.commits += 1
        self.operations += len(group)
        self._committed(book)
        for order, result in zip(group, results, strict=True):
            order.future.set_result(result)

    def _fail(self, group: list[_Order], exc: Exception) -> None:
        for order in group:
            order.future.set_exception(self._ground.translated(exc))

    def _drop(self) -> None:
        """Let the connection go; the next group opens another."""
        if self._connection is not None:
            with suppress(Exception):  # it may be gone, which is why it is let go
                self._connection.close()
            self._connection = None

    def _together(self, connection: Connection, group: list[_Order]) -> tuple[Book, list[Any]]:
        with connection.begin():
            book = self._open_book(connection)
            results = []
            for foreseeable, span in groupby(group, lambda order: order.operation in self._foresights):
                orders = list(span)
                if foreseeable:
                    self._foresee(book, orders)
                results += [order.operation(book, *order.arguments, **order.named) for order in orders]
                book.foreseen.clear()
            book.flush()
        return book, results

    def _foresee(self, book: Book, orders: Sequence[_Order]) -> None:
        """Read for these at once what each would ask; nothing but such operations runs between."""
        for operation, foresee in self._foresights.items():
            first = [order.arguments[0] for order in orders if order.operation is operation]
            if first:
                foresee(book, first)
