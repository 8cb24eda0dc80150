"""`/operator/maps`: which maps are in use and which version of each, and new versions taken over.

Maps are read again when an operator says so, on SIGHUP, or when their folder has changed and is watched. A
version is in use only after its cases have held; a refused one is told with all its faults, and the old one
stays.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from adapter.errors import NotFound
from adapter.mapping.version import version_of
from adapter.relay.message import AuditRecord
from adapter.server import log
from adapter.server.access import Right
from adapter.server.desk import answer, read_words, reason_of
from adapter.server.route import Operators, Route, operator_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.mapping.reload import Reload, Reloader
    from adapter.outcome import Issue
    from adapter.relay.deployment import Relay
    from adapter.server.doors import Doors

WATCH_EVERY = 2.0
"""Seconds between two looks at a watched folder; what has changed must be the same in two looks."""


def routes(doors: Doors) -> list[Route]:
    """Return the addresses for maps, and the right each takes."""
    desk = _Desk(doors)
    return [
        Route("GET", "/operator/maps", desk.maps, Operators(Right.LOOK)),
        Route("POST", "/operator/maps/reload", desk.reload, Operators(Right.ADMINISTER)),
    ]


def reload_maps(reloader: Reloader, relay: Relay, *, actor: str, reason: str) -> Reload:
    """Read the maps again, and tell log and audit what came of it. Blocks while the cases run."""
    found = reloader.reload()
    level = logging.ERROR if found.outcome == "refused" else logging.INFO
    log.say("maps-reloaded", level=level, outcome=found.outcome, maps=list(found.changed), cases=found.cases)
    for issue in found.issues:
        log.say("maps-fault", level=logging.ERROR, code=issue.code, file=issue.at, line=issue.line)
    versions = ((name, version_of(relay.maps[name])) for name in found.changed if name in relay.maps)
    relay.store.audit(
        [
            AuditRecord(
                at=relay.clock.now(),
                actor=actor,
                action="reload",
                object="maps",
                outcome=found.outcome,
                reason=reason,
                detail=tuple(versions),
            )
        ]
    )
    return found


async def watch(reloader: Reloader, relay: Relay, stop: asyncio.Event, every: float = WATCH_EVERY) -> None:
    """Read the maps again whenever their folder has changed and come to rest, until `stop` is set."""
    known = before = await asyncio.to_thread(reloader.stamp)
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
        now = await asyncio.to_thread(reloader.stamp)
        if now == before and now != known:
            known = now
            await asyncio.to_thread(reload_maps, reloader, relay, actor="silta", reason="folder changed")
        before = now


class _Desk:
    """What an operator asks of the maps of one deployment."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def maps(self, request: Request) -> Response:
        """List the maps in use."""
        return answer({"items": await self._doors.work(self._items)})

    def _items(self) -> list[dict[str, Any]]:
        found = sorted(self._doors.relay.maps, key=lambda one: one.name)
        return [{"name": one.name, "url": one.url, "version": version_of(one)} for one in found]

    async def reload(self, request: Request) -> Response:
        """Take over what the folders hold now, or say everything that forbids it."""
        operator, reason = operator_of(request), reason_of(await read_words(request))
        if self._doors.reloader is None:
            raise NotFound("IN116")
        found = await self._doors.work(
            reload_maps, self._doors.reloader, self._doors.relay, actor=operator, reason=reason
        )
        return answer(
            {
                "outcome": found.outcome,
                "changed": found.changed,
                "cases": found.cases,
                "issues": [_issue(issue) for issue in found.issues],
            }
        )


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "code": issue.code,
        "file": issue.at,
        "line": issue.line,
        "column": issue.column,
        "text": issue.text(),
        "help": issue.help(),
    }
