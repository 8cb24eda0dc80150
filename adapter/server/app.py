"""The ASGI application: which door stands where, and how every error becomes an OperationOutcome."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from adapter.errors import AdapterError, Malformed
from adapter.server import (
    alarm,
    auditor,
    authorization,
    consent,
    directory,
    fhir,
    health,
    hold,
    ingest,
    maps,
    metrics,
    operator,
    replay,
    reply_form,
)
from adapter.server.door import Door
from adapter.server.errors import framework_issue, status_of
from adapter.server.negotiation import outcome_response
from adapter.server.route import Anybody, People, Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.server.doors import Doors
    from adapter.server.route import Endpoint

RETRY_SECONDS = 5
"""What a caller is told to wait after a 503."""


def app(doors: Doors) -> FastAPI:
    """Return the application over `doors`. No documentation pages, no request models, no server name."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        doors.close()

    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    made.state.doors = doors
    made.add_middleware(Door)
    made.add_exception_handler(AdapterError, _adapter_error)
    made.add_exception_handler(HTTPException, _framework_error)
    for route in routes(doors):
        made.router.add_route(route.path, _guarded(route, doors), methods=[route.method])
    return made


def routes(doors: Doors) -> list[Route]:
    """Return every door of the adapter."""
    return [
        Route("GET", "/healthz", health.alive, Anybody()),
        Route("GET", "/readyz", health.ready(doors), Anybody()),
        Route("GET", "/metrics", metrics.endpoint(doors), Anybody()),
        *authorization.routes(doors),
        *ingest.routes(doors),
        *fhir.routes(doors),
        *consent.routes(doors),
        *operator.routes(doors),
        *replay.routes(doors),
        *hold.routes(doors),
        *alarm.routes(doors),
        *directory.routes(doors),
        *maps.routes(doors),
        *auditor.routes(doors),
        *reply_form.routes(doors),
    ]


def _guarded(route: Route, doors: Doors) -> Endpoint:
    """Let nobody through whom the route is not for, and let the log know the route.

    The log gets the template, never what the caller wrote.
    """

    async def guarded(request: Request) -> Response:
        request.scope["state"]["route"] = route.path
        if isinstance(route.guard, People):
            await reply_form.admit(request, doors)
        elif not isinstance(route.guard, Anybody):
            route.guard.admit(doors.caller(request))
        given = (*request.path_params.values(), *request.query_params.values())
        if any("\0" in str(value) for value in given):
            raise Malformed("IN120")
        try:
            return await route.endpoint(request)
        finally:
            doors.load.give_back(request)

    return guarded


async def _adapter_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours: the status of the table, and every issue it carries."""
    if not isinstance(error, AdapterError):
        raise error
    status = status_of(error)
    doors: Doors = request.app.state.doors
    if doors.users is not None and reply_form.is_page(request):
        return reply_form.refused(request, doors, error, status)
    headers = _headers(status)
    if error.code == "IN112":  # its body was not read to the end
        headers["Connection"] = "close"
    return outcome_response(request, error.issues, status, headers)


def _headers(status: int) -> dict[str, str]:
    """Return what belongs to a status beside its body.

    A connection whose request was not read to its end cannot be used again.
    """
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="silta"'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
        headers["Connection"] = "close"
    return headers


_ALLOW = re.compile(r"[A-Z, ]{1,60}")


async def _framework_error(request: Request, error: Exception) -> Response:
    """Answer a refusal of the framework: no such address, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    allow = (error.headers or {}).get("Allow", "")
    headers = {"Allow": allow} if _ALLOW.fullmatch(allow) else {}
    doors: Doors = request.app.state.doors
    if doors.users is not None and reply_form.is_page(request):
        issue = framework_issue(error.status_code)
        return reply_form.framework_refused(request, doors, issue, error.status_code, headers)
    return outcome_response(request, [framework_issue(error.status_code)], error.status_code, headers)
