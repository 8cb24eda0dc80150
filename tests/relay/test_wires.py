"""How much may be under way to whom: windows, and what is silent."""

from __future__ import annotations

import asyncio

import pytest

from adapter.relay.wires import Wires

SILENT, LIVING = "silent", "living"


def wires(at_once: int = 4, each: int = 4, most: int = 6, silence: float = 60.0) -> Wires:
    """A few wires."""
    return Wires(at_once=at_once, each=each, most=most, silence=silence)


@pytest.mark.parametrize(
    ("exchanges", "window"),
    [([], None), ([True], 3), ([True] * 9, 6), ([True] * 9 + [False], None), ([True, False, True], 3)],
)
def test_a_window_grows_by_success_and_begins_again_after_a_failure(
    exchanges: list[bool], window: int | None
) -> None:
    """From half of what may be on the wire to the widest, one by one; None is the first again."""
    some = wires()
    for got_through in exchanges:
        some.learn(LIVING, got_through=got_through)

    assert some.windows.get(LIVING) == window
    assert some.first == 2


def test_silent_recipients_give_their_places_to_the_others() -> None:
    """All places are held by exchanges that never end; after the silence another one gets a wire."""

    async def body() -> tuple[int, int]:
        some = wires(silence=0.02)
        never = asyncio.Event()

        async def hang(recipient: str) -> None:
            async with some.to(recipient):
                await never.wait()

        hanging = [asyncio.create_task(hang(f"{SILENT}-{number}")) for number in range(4)]
        await asyncio.sleep(0)
        async with asyncio.timeout(10), some.to(LIVING):
            silent = some.silent
        never.set()
        await asyncio.gather(*hanging)
        return silent, some.silent

    assert asyncio.run(body()) == (4, 0)


def test_a_place_is_given_back_once() -> None:
    """An exchange that ends after it fell silent leaves no second place behind."""

    async def body() -> bool:
        some = wires(at_once=1, silence=0.02)
        async with some.to(SILENT):
            await asyncio.sleep(0.05)
        async with some.to(LIVING):
            try:
                async with asyncio.timeout(0.005), some.to(SILENT):
                    return False
            except TimeoutError:
                return True

    assert asyncio.run(body())
