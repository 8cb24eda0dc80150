"""Who goes next: so many at once, and of those who wait each sender in its turn.

A sender that floods the doors waits behind itself. Another's submission waits for one of each sender at most,
and finds room in the queue whatever the first has put there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from adapter.errors import StoreError


@dataclass(slots=True, kw_only=True)
class Turns:
    """One line for each sender; used by one event loop."""

    at_once: int
    """Who may be in work at the same time."""
    longest: int
    """Who may wait, all senders together."""
    each: int
    """Who may wait of one sender."""
    _in_work: int = 0
    _waiting: int = 0
    _lines: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)
    """Who waits, by sender; the sender whose turn is next stands first."""

    def check(self, sender: str) -> None:
        """Raise StoreError (IN112) if there is no room for one more of this sender."""
        if self._waiting >= self.longest or len(self._lines.get(sender, ())) >= self.each:
            raise StoreError("IN112")

    async def come(self, sender: str) -> None:
        """Wait for a turn; whoever has come has to leave. Raises StoreError (IN112) as `check`."""
        self.check(sender)
        if self._in_work < self.at_once:
            self._in_work += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(sender, deque()).append(turn)
        self._waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # the turn had come already: the next one has it
            else:
                self._give_up(sender, turn)
            raise

    def leave(self) -> None:
        """Let the next one go."""
        while (sender := next(iter(self._lines), None)) is not None:
            line = self._lines.pop(sender)
            turn = line.popleft()
            if line:
                self._lines[sender] = line  # behind all others
            self._waiting -= 1
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._in_work -= 1

    def _give_up(self, sender: str, turn: asyncio.Future[None]) -> None:
        """Take out of its line who is gone, unless `leave` has found that already."""
        line = self._lines.get(sender, deque())
        if turn in line:
            line.remove(turn)
            self._waiting -= 1
            if not line:
                del self._lines[sender]
