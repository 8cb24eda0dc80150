"""`/operator/replays`: many copies sent again together, prepared by one person and released by another.

Answers hold counts, ids and codes; no content, and of a person nothing at all.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from adapter.errors import Malformed
from adapter.relay import resending
from adapter.relay.replay import WAITING_STATES, Wanted
from adapter.server.access import Right
from adapter.server.desk import answer, limit_of, moment_of, read_words, reason_of
from adapter.server.route import Operators, Route, operator_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.relay.message import DeliveryState
    from adapter.relay.store.values import ReplayRow
    from adapter.server.doors import Doors


def routes(doors: Doors) -> list[Route]:
    """Return every address of replays, and the right each takes."""
    desk = _Desk(doors)
    look, act = Operators(Right.LOOK), Operators(Right.ACT)
    return [
        Route("GET", "/operator/replays", desk.replays, look),
        Route("POST", "/operator/replays", desk.prepare, act),
        Route("GET", "/operator/replays/{id}", desk.replay, look),
        Route("POST", "/operator/replays/{id}/release", desk.release, act),
        Route("POST", "/operator/replays/{id}/cancel", desk.cancel, act),
    ]


class _Desk:
    """The replays of one deployment: each method is one endpoint."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._relay = doors.relay
        self._store = doors.relay.store

    async def replays(self, request: Request) -> Response:
        """List replays, the newest first."""
        limit = limit_of(request.query_params.get("limit"))
        rows = await self._doors.work(self._store.replays, limit)
        return answer({"items": [_said(row) for row in rows]})

    async def replay(self, request: Request) -> Response:
        """Show one replay; of a prepared one also what is to be expected of it as of now."""
        return await self._shown(request.path_params["id"])

    async def prepare(self, request: Request) -> Response:
        """Fix which copies a replay holds, and count what would become of them."""
        operator = operator_of(request)
        asked = await read_words(request)
        replay, _ = await self._doors.work(
            resending.prepare,
            _wanted(asked),
            self._relay,
            actor=operator,
            reason=reason_of(asked),
            most=_number(asked.get("limit")),
            per_minute=_number(asked.get("per_minute")),
        )
        return await self._shown(replay)

    async def release(self, request: Request) -> Response:
        """Let a replay begin that somebody else has prepared."""
        operator, reason = operator_of(request), reason_of(await read_words(request))
        replay = request.path_params["id"]
        await self._doors.work(self._store.release_replay, replay, actor=operator, reason=reason)
        return await self._shown(replay)

    async def cancel(self, request: Request) -> Response:
        """End a replay: what has not left does not go."""
        operator, reason = operator_of(request), reason_of(await read_words(request))
        replay = request.path_params["id"]
        await self._doors.work(self._store.cancel_replay, replay, actor=operator, reason=reason)
        return await self._shown(replay)

    async def _shown(self, replay: str) -> Response:
        row = await self._doors.work(self._store.replay, replay)
        now = await self._doors.work(resending.preview_now, replay, self._relay)
        return answer(_said(row) | {"now": asdict(now) if now is not None else None})


def _said(row: ReplayRow) -> dict[str, Any]:
    return asdict(row) | {
        "wanted": json.loads(row.wanted),
        "preview": json.loads(row.preview),
        "items": [{"state": state, "reason": reason, "count": count} for state, reason, count in row.items],
    }


def _wanted(asked: dict[str, str]) -> Wanted:
    return Wanted(
        recipient=asked.get("recipient"),
        state=_state(asked.get("state")),
        reason=asked.get("finding"),
        since=moment_of(asked.get("since")),
        until=moment_of(asked.get("until")),
    )


def _state(given: str | None) -> DeliveryState | None:
    """Return a state that copies wait in. Raises Malformed (IN113) for another."""
    if given is None:
        return None
    found = next((state for state in WAITING_STATES if state.value == given), None)
    if found is None:
        raise Malformed("IN113")
    return found


def _number(given: str | None) -> int | None:
    """Return a number above nothing. Raises Malformed (IN113) for anything else."""
    if given is None:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 6 or not int(given):
        raise Malformed("IN113")
    return int(given)
