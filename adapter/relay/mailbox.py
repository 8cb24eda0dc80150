"""Results of another thread, brought to an event loop many at a time.

A commit ends many operations at once. Waking the loop for each of them costs a system call, and lets the two
threads contend for the interpreter while the rest is still being handed over; here the first one wakes it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


class Mailbox:
    """Belongs to the event loop it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._came: deque[tuple[Future[Any], asyncio.Future[Any]]] = deque()

    async def result(self, future: Future[T]) -> T:
        """Wait for a future of another thread; who stops waiting gives it up, if it has not begun."""
        waiting: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(lambda done: self._come(done, waiting))
        try:
            return await waiting
        except asyncio.CancelledError:
            future.cancel()
            raise

    def _come(self, done: Future[Any], waiting: asyncio.Future[Any]) -> None:
        self._came.append((done, waiting))
        if len(self._came) == 1:
            with suppress(RuntimeError):  # the loop has ended, and so has who waited
                self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        while self._came:
            done, waiting = self._came[0]
            if waiting.done():
                pass
            elif done.cancelled():
                waiting.cancel()
            elif (failure := done.exception()) is not None:
                waiting.set_exception(failure)
            else:
                waiting.set_result(done.result())
            self._came.popleft()
