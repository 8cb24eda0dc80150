"""Who goes next at the doors: a flood of one sender delays that sender."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING

import pytest

from adapter.errors import StoreError
from adapter.server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def played(play: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 60))  # type: ignore[arg-type]


async def settle() -> None:
    """Let everybody who can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_another_sender_waits_for_one_of_the_flood_and_not_for_all() -> None:
    """A hundred of one sender stand in line; the one of another goes in next but one."""
    order: list[str] = []

    async def play() -> None:
        turns, begins = Turns(at_once=2, longest=1000, each=500), asyncio.Event()

        async def submission(sender: str) -> None:
            await turns.come(sender)
            order.append(sender)
            await begins.wait()
            turns.leave()

        tasks = [asyncio.create_task(submission(sender)) for sender in ["flood"] * 100 + ["other"]]
        await settle()
        begins.set()
        await asyncio.gather(*tasks)

    played(play)
    assert order.index("other") == 3
    assert len(order) == 101


def test_no_more_are_in_work_than_may_be_and_everybody_comes_to_it() -> None:
    """Whoever comes, leaves or gives up, and whenever: no place is lost, none is had twice."""
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    sys.stdout.write(f"seed {seed}\n")
    draw = random.Random(seed)  # noqa: S311 - no secret
    inside, most, done = 0, 0, 0

    async def play() -> None:
        turns = Turns(at_once=3, longest=10_000, each=10_000)

        async def submission(sender: str) -> None:
            nonlocal inside, most, done
            await turns.come(sender)
            inside += 1
            most = max(most, inside)
            try:
                for _ in range(draw.randrange(4)):
                    await asyncio.sleep(0)
                done += 1
            finally:
                inside -= 1
                turns.leave()

        tasks = []
        for _ in range(500):
            tasks.append(asyncio.create_task(submission(draw.choice("abcde"))))
            if draw.random() < 0.3:
                await asyncio.sleep(0)
            if draw.random() < 0.3:
                draw.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert done + sum(task.cancelled() for task in tasks) == 500
        for _ in range(3):
            await asyncio.wait_for(turns.come("last"), 1)

    played(play)
    assert (most, inside) == (3, 0)


def test_a_line_that_is_full_refuses_its_sender_and_nobody_else() -> None:
    """IN112 to the one who has handed in too much; when all lines together are full, to everybody."""
    said: list[str] = []

    async def play() -> None:
        turns = Turns(at_once=1, longest=3, each=2)
        await turns.come("a")
        waiting = [asyncio.create_task(turns.come(sender)) for sender in ("a", "a", "b")]
        await settle()
        for sender in ("a", "c"):
            with pytest.raises(StoreError, match="IN112"):
                await turns.come(sender)
            said.append(sender)
        waiting[0].cancel()
        await settle()
        turns.check("c")
        turns.longest = 2
        with pytest.raises(StoreError, match="IN112"):
            turns.check("c")
        for _ in range(3):
            turns.leave()
        await asyncio.gather(*waiting[1:])

    played(play)
    assert said == ["a", "c"]
