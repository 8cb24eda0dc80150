"""`/healthz`: the process lives. `/readyz`: it can take work: the store answers and the delivery runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from adapter.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from adapter.server.doors import Doors


async def alive(_request: Request) -> Response:
    """Say that the process answers."""
    return JSONResponse({"status": "alive"})


def ready(doors: Doors) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that says whether the adapter can take work: 200, else 503."""

    async def endpoint(_request: Request) -> Response:
        checks = {"delivery": doors.is_delivering(), "store": await _store_answers(doors)}
        is_ready = all(checks.values())
        said = {"status": "ready" if is_ready else "not ready", "mode": doors.relay.mode.value, **checks}
        return JSONResponse(said, 200 if is_ready else 503)

    return endpoint


async def _store_answers(doors: Doors) -> bool:
    try:
        await doors.work(doors.relay.store.counts)
    except AdapterError:
        return False
    return True
