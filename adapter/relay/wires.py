"""Wires: how much may be under way at once, and to whom, so that one who is silent leaves the others theirs.

Each recipient has a window of its own: how many copies may be claimed for it. It begins small, grows with
every exchange that gets through and falls back when one does not. So a recipient that never answers holds few
copies, few leases and few wires, while one that answers soon has all it can take. And an exchange that has
been silent for a while no longer counts against what may be on the wire altogether.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Wires:
    """What is on the wire of one process. Use it within one event loop.

    `at_once`: exchanges at the same time altogether, but for the silent ones. `each`: to one recipient.
    `most`: the widest window. `silence`: seconds after which an exchange counts as silent.
    """

    def __init__(self, *, at_once: int, each: int, most: int, silence: float) -> None:
        self.first = max(1, each // 2)
        """The window of a recipient of which nothing is known."""
        self.silent = 0
        """Exchanges that no longer count."""
        self._most = most
        self._silence = silence
        self._all = asyncio.Semaphore(at_once)
        self._to: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(each))
        self._windows: dict[str, int] = {}

    @property
    def windows(self) -> Mapping[str, int]:
        """How many copies may be claimed for each recipient that is not as at first."""
        return self._windows

    def learn(self, recipient: str, *, got_through: bool) -> None:
        """Widen the recipient's window after an exchange that got through; else begin again."""
        if got_through:
            self._windows[recipient] = min(self._windows.get(recipient, self.first) + 1, self._most)
        else:
            self._windows.pop(recipient, None)

    @asynccontextmanager
    async def to(self, recipient: str) -> AsyncIterator[None]:
        """Have a wire to the recipient while the block runs; wait for one first."""
        async with self._to[recipient]:
            await self._all.acquire()
            is_silent = False

            def fall_silent() -> None:
                nonlocal is_silent
                is_silent = True
                self.silent += 1
                self.learn(recipient, got_through=False)
                self._all.release()

            timer = asyncio.get_running_loop().call_later(self._silence, fall_silent)
            try:
                yield
            finally:
                timer.cancel()
                if is_silent:
                    self.silent -= 1
                else:
                    self._all.release()
