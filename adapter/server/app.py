"""The ASGI application: which door stands where, and how every error becomes an OperationOutcome."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from adapter.errors import AdapterError
from adapter.server import auditor, consent, fhir, health, ingest, metrics, operator
from adapter.server.door import Door
from adapter.server.errors import framework_issue, status_of
from adapter.server.negotiation import outcome_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.server.doors import Doors

    Endpoint = Callable[[Request], Awaitable[Response]]

RETRY_SECONDS = 5
"""What a caller is told to wait after a 503."""


def app(doors: Doors) -> FastAPI:
    """Return the application over `doors`. No documentation pages, no request models, no server name."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        doors.close()

    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    made.add_middleware(Door)
    made.add_exception_handler(AdapterError, _adapter_error)
    made.add_exception_handler(HTTPException, _framework_error)
    routes = (*_routes(doors), *consent.routes(doors), *operator.routes(doors), *auditor.routes(doors))
    for path, endpoint, method in routes:
        made.router.add_route(path, _known_by_route(path, endpoint), methods=[method])
    return made


def _routes(doors: Doors) -> list[tuple[str, Endpoint, str]]:
    """Return every door but the operators': template, endpoint, method."""
    return [
        ("/healthz", health.alive, "GET"),
        ("/readyz", health.ready(doors), "GET"),
        ("/metrics", metrics.endpoint(doors), "GET"),
        ("/ingest/{source}", ingest.endpoint(doors), "POST"),
        ("/fhir/metadata", fhir.metadata(doors), "GET"),
        ("/fhir/$process-message", fhir.process_message(doors), "POST"),
        ("/fhir/Bundle", fhir.process_message(doors), "POST"),
        ("/fhir/$validate", fhir.validate(doors), "POST"),
        ("/fhir/{type}/$validate", fhir.validate(doors), "POST"),
    ]


def _known_by_route(path: str, endpoint: Endpoint) -> Endpoint:
    """Let the log know which door a request came to: the template, never what the caller wrote."""

    async def known(request: Request) -> Response:
        request.scope["state"]["route"] = path
        return await endpoint(request)

    return known


async def _adapter_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours: the status of the table, and every issue it carries."""
    if not isinstance(error, AdapterError):
        raise error
    status = status_of(error)
    return outcome_response(request, error.issues, status, _headers(status))


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
    return outcome_response(request, [framework_issue(error.status_code)], error.status_code, headers)
