"""What every door works with: the relay, who may come in, the budgets, and the pool that does the work."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from adapter.errors import StoreError
from adapter.server.budgets import DoorBudget, Load, read_body
from adapter.server.route import organisation_of
from adapter.server.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from adapter.mapping.reload import Reloader
    from adapter.relay.deployment import Relay
    from adapter.server.access import Access, Caller
    from adapter.server.certificate import Proxies
    from adapter.server.clients import Clients
    from adapter.server.user import Users

P = ParamSpec("P")
T = TypeVar("T")

WORKERS = 8
"""Threads that map, validate and wait for commits: the event loop stays free for other callers."""
TAKERS = WORKERS - 2
"""Submissions in work at once: two threads are left for operators, readers and probes."""
LONGEST_QUEUE = 256
"""Submissions that wait, before a caller is asked to come again."""
LONGEST_LINE = LONGEST_QUEUE // 2
"""Of one sender: whatever it hands in, there is room for another's."""


@dataclass(slots=True, kw_only=True)
class Doors:
    """The parts behind the routes of one deployment."""

    relay: Relay
    access: Access
    budget: DoorBudget = field(default_factory=DoorBudget)
    load: Load = field(default_factory=Load)
    proxies: Proxies | None = None
    """Who may say which client certificate a caller has shown; None: nobody."""
    clients: Clients | None = None
    """Clients of SMART Backend Services; None where none is registered."""
    users: Users | None = None
    """People who read and answer on the reply form; None where there are none."""
    reloader: Reloader | None = None
    """Takes over new versions of maps; None where there is nothing to read them from."""
    backups: Path | None = None
    """Folder that copies of the store go to; None where there is none."""
    is_delivering: Callable[[], bool] = lambda: True
    """Whether the delivery loop runs: asked by `/readyz`."""
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(WORKERS, thread_name_prefix="silta-door")
    )
    _turns: Turns = field(
        default_factory=lambda: Turns(at_once=TAKERS, longest=LONGEST_QUEUE, each=LONGEST_LINE)
    )
    _in_work: int = 0

    async def body(self, request: Request) -> bytes:
        """Read a submission, unless too much of its sender waits already: then nothing of it is read.

        Raises as `read_body` does.
        """
        self._turns.check(organisation_of(request))
        return await read_body(request, self.budget, self.load)

    async def take(self, sender: str, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the work on a submission, each sender in its turn. Raises StoreError (IN112) as `work`."""
        await self._turns.come(sender)
        try:
            work = self._begun(do, *args, **kwargs)
        except BaseException:
            self._turns.leave()
            raise
        work.add_done_callback(lambda _: self._turns.leave())
        return await asyncio.shield(work)

    async def work(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work off the event loop.

        A caller that goes away does not stop it: what has begun is committed.

        Raises StoreError (IN112) if too much is waiting already.
        """
        return await asyncio.shield(self._begun(do, *args, **kwargs))

    def _begun(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        if self._in_work >= LONGEST_QUEUE:
            raise StoreError("IN112")
        self._in_work += 1
        work = asyncio.get_running_loop().run_in_executor(self._pool, lambda: do(*args, **kwargs))
        work.add_done_callback(self._one_less)
        return work

    def _one_less(self, _done: object) -> None:
        self._in_work -= 1

    def caller(self, request: Request) -> Caller:
        """Return who is calling, and note it for the log.

        Raises NotPermitted (AC101, AC102, AC108).
        """
        certificate = self.proxies.thumbprint(request) if self.proxies is not None else None
        said = request.headers.getlist("authorization")
        # Of two the proxy may have looked at one, and we at the other.
        caller = self.access.caller(", ".join(said) if said else None, certificate)
        setattr(request.state, caller.role.value, caller.name)
        return caller

    def close(self) -> None:
        """Wait for what is in work, then let the threads go."""
        self._pool.shutdown(wait=True)
