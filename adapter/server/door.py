"""Around every request: its id, the headers every answer has, one log line, and the last resort.

An exception that nobody foresaw ends here: the caller gets an OperationOutcome with an error id and a closed
connection, the log gets the id with the exception's class and place. Neither gets its text.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request

from adapter.outcome import Issue
from adapter.server import log
from adapter.server.negotiation import outcome_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_IDENTITY_CODE = re.compile(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", re.ASCII | re.IGNORECASE)

GONE = 499
"""What the log says of a caller that went away before its request was whole; no status of HTTP."""

ANSWER_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer: nothing is kept, sniffed, embedded or told to others."""


def request_id(given: str | None) -> str:
    """Return the caller's own request id if it is a plain token, else a fresh one.

    What looks like a personal identity code is not taken: the id stands in logs.
    """
    if given and _REQUEST_ID.fullmatch(given) and not _IDENTITY_CODE.search(given):
        return given
    return str(uuid.uuid4())


class Door:
    """ASGI middleware: the frame that stands around every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request = Request(scope)
        given = request_id(request.headers.get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = given
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = given
                for name, value in ANSWER_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, framed)
        except ClientDisconnect:  # nobody is there to be told, and nothing was begun
            status = GONE
        except Exception as error:  # the last resort: whatever it is, the caller gets an answer
            error_id = str(uuid.uuid4())
            log.say_error("unforeseen", error, error_id=error_id, request=given)
            if status:
                raise ConnectionAbortedError("the answer had begun") from None
            issue = Issue("IN109", params={"id": error_id})
            answer = outcome_response(request, [issue], 500, {"Connection": "close"})
            await answer(scope, receive, framed)
        finally:
            log.say(
                "request",
                request=given,
                method=scope["method"],
                route=_route(scope),
                status=status,
                milliseconds=round((time.perf_counter() - began) * 1000),
                organisation=scope["state"].get("organisation"),
                operator=scope["state"].get("operator"),
                user=scope["state"].get("user"),
            )


def _route(scope: Scope) -> str:
    """Return the template of the route, never the path itself: a path may hold what a caller put there."""
    return str(scope["state"].get("route", "none"))
