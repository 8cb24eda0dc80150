"""`/operator/hold`: nothing leaves until a person lifts it. `/operator/backups`: copies of the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from adapter.errors import NotFound
from adapter.relay.message import DeliveryState
from adapter.server.access import Right
from adapter.server.desk import answer, read_words, reason_of
from adapter.server.route import Operators, Route, operator_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.server.doors import Doors

WAITS = (DeliveryState.QUEUED, DeliveryState.AWAITING)
"""What goes, or goes again, once a hold is lifted."""


def routes(doors: Doors) -> list[Route]:
    """Return every address of hold and copies, and the right each takes."""
    desk, administer = _Desk(doors), Operators(Right.ADMINISTER)
    return [
        Route("GET", "/operator/hold", desk.hold, Operators(Right.LOOK)),
        Route("POST", "/operator/hold", desk.begin, administer),
        Route("POST", "/operator/hold/lift", desk.lift, administer),
        Route("POST", "/operator/backups", desk.back_up, administer),
    ]


class _Desk:
    """Hold and copies of one deployment: each method is one endpoint."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._store = doors.relay.store

    async def hold(self, _request: Request) -> Response:
        """Say whether a hold stands, since when and why, and how much waits."""
        return await self._said()

    async def begin(self, request: Request) -> Response:
        """Let nothing leave any more; what is on the wire finishes."""
        operator, reason = operator_of(request), reason_of(await read_words(request))
        await self._doors.work(self._store.begin_hold, actor=operator, reason=reason)
        return await self._said()

    async def lift(self, request: Request) -> Response:
        """Let what waits go."""
        operator, reason = operator_of(request), reason_of(await read_words(request))
        await self._doors.work(self._store.lift_hold, actor=operator, reason=reason)
        return await self._said()

    async def back_up(self, request: Request) -> Response:
        """Copy the store into the folder of the settings; the caller names no path."""
        operator, reason = operator_of(request), reason_of(await read_words(request))
        folder = self._doors.backups
        if folder is None:
            raise NotFound("IN116")
        await self._doors.work(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        made = await self._doors.work(self._store.back_up, folder, actor=operator, reason=reason)
        return answer({"folder": str(folder), **asdict(made)})

    async def _said(self) -> Response:
        hold = await self._doors.work(self._store.hold)
        counts = await self._doors.work(self._store.counts)
        waiting = {
            what: sum(counts[what].get(state.value, 0) for state in WAITS)
            for what in ("deliveries", "reports")
        }
        said: dict[str, Any] = {"held": hold is not None, "waiting": waiting}
        return answer(said | (asdict(hold) if hold is not None else {}))
