"""Results of another thread, brought to an event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from adapter.relay.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable


def awaited(futures: list[Future[int]], finish: Callable[[], None]) -> list[int | BaseException]:
    """What becomes of those who wait for these, once another thread has finished them."""

    async def all_of_them() -> list[int | BaseException]:
        mail = Mailbox()
        tasks = [asyncio.create_task(mail.result(future)) for future in futures]
        await asyncio.sleep(0)
        await asyncio.to_thread(finish)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_each_gets_the_result_it_waits_for() -> None:
    """Handed over by another thread, many at a time."""
    futures: list[Future[int]] = [Future() for _ in range(50)]

    def finish() -> None:
        for number, future in enumerate(futures):
            future.set_result(number)

    assert awaited(futures, finish) == list(range(50))


def test_a_failure_reaches_whom_it_concerns() -> None:
    """The others have their results; who waits for what was given up waits no longer."""
    failing, given_up, good = futures = [Future[int](), Future[int](), Future[int]()]

    def finish() -> None:
        failing.set_exception(KeyError("gone"))
        given_up.cancel()
        good.set_result(1)

    assert [type(one) for one in awaited(futures, finish)] == [KeyError, asyncio.CancelledError, int]


def test_who_stops_waiting_gives_it_up() -> None:
    """What has not begun is not done for nobody."""
    future: Future[int] = Future()

    async def stop_waiting() -> None:
        async with asyncio.timeout(0):
            await Mailbox().result(future)

    with pytest.raises(TimeoutError):
        asyncio.run(stop_waiting())
    assert future.cancelled()
