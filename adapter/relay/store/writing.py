"""Operations of a store: each one transaction of the writer, on disk before it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from adapter.relay.store.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from adapter.relay import audit as chain
    from adapter.relay.clock import Clock
    from adapter.relay.message import AuditRecord
    from adapter.relay.store.book import Book
    from adapter.relay.store.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


class Writing(Reader):
    """What is read, and a writer to hand operations to."""

    _clock: Clock
    _writer: Writer

    def submit(
        self, operation: Callable[Concatenate[Book, P], T], *arguments: P.args, **named: P.kwargs
    ) -> Future[T]:
        """Queue `operation(book, *arguments, **named)`; the future has its result once it is on disk."""
        return self._writer.submit(operation, arguments, named)

    def _do(self, operation: Callable[Concatenate[Book, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        return self.submit(operation, *arguments, **named).result()

    def audit(self, records: Sequence[AuditRecord]) -> None:
        """Write down acts that change nothing else, such as a reveal; before they happen."""
        self._do(_note_all, tuple(records))

    def audit_head(self) -> chain.Head:
        """Return this node's head: keep it elsewhere, and a cut tail will show."""
        return self._do(_head)


def _note_all(book: Book, records: Sequence[AuditRecord]) -> None:
    for record in records:
        book.record(record)


def _head(book: Book) -> chain.Head:
    book.flush()
    return book.head
