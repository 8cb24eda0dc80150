"""`/operator/directory`: who is in the directory, what is wrong with it, and how another server's does."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from adapter.relay import decision, directory, directory_feed
from adapter.server.access import Right
from adapter.server.desk import answer
from adapter.server.route import Operators, Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.relay.deployment import Relay
    from adapter.relay.directory import Party
    from adapter.server.doors import Doors


def routes(doors: Doors) -> list[Route]:
    """Return the address of the directory."""

    async def show(_request: Request) -> Response:
        """List the organisations that can be routed to or decided on, and every fault."""
        return answer(await doors.work(_told, doors.relay))

    return [Route("GET", "/operator/directory", show, Operators(Right.LOOK))]


def _told(relay: Relay) -> dict[str, Any]:
    store, now = relay.store, relay.clock.now()
    state = store.directory_feed() if relay.is_polling else None
    polled = list(store.polled_directory().values())
    kept = {each["id"] for each in directory_feed.sifted(polled, store.directory())}
    known = decision.ground_of(relay).directory
    issues = directory.faults(polled)
    return {
        "organisations": [_party(each) for each in dict.fromkeys(known.parties.values())],
        "affiliations": sum(len(each) for each in known.affiliations.values()),
        "feed": None
        if state is None
        else {
            **asdict(state),
            "is_stale": directory_feed.is_stale(state, now),
            "resources": len(polled),
            "left_out": [each["id"] for each in polled if each["id"] not in kept],
        },
        "issues": [{"code": each.code, "severity": each.severity, "at": each.at} for each in issues],
    }


def _party(party: Party) -> dict[str, Any]:
    return {
        "key": party.key,
        "name": party.name,
        "class": party.recipient_class.value,
        "active": party.is_active,
        "reachable": party.has_endpoint,
        "polled": party.is_polled,
    }
