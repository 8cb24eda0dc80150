"""A stub patient system over real HTTP: takes messages in, shows them, answers by its script."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI, Response

from adapter import fhir
from adapter.conformance.actors.page import lines
from adapter.conformance.actors.script import Act
from adapter.errors import AdapterError, Unsupported
from adapter.fhir import json as fhir_json
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from fastapi import Request

    from adapter.conformance.actors.inbox import Inbox, Received
    from adapter.conformance.actors.reply import Reply

LARGEST_BODY = 10_000_000
"""Bytes a stub reads before it says 413."""

PATHS = ("/", "/fhir", "/$process-message", "/fhir/$process-message", "/fhir/Bundle")
"""Where a stub takes messages: partners differ in what they call the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """Where acknowledgements go that do not come in the reply."""

    address: str
    """The sender's `$process-message`."""
    token: str | None = field(default=None, repr=False)
    after: float = 0.5
    """Seconds."""


@dataclass(slots=True, kw_only=True)
class Stub:
    """One running stub: its inbox, how it acknowledges, and where it shows what it got."""

    inbox: Inbox
    show: Callable[[str], None]
    token: str | None = field(default=None, repr=False)
    """Bearer token callers must show; None lets everybody in, on loopback."""
    later: Later | None = None
    silence: float = 60.0
    """Seconds the act `timeout` says nothing."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def app(self) -> FastAPI:
        """Return the ASGI application."""
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan)
        for path in PATHS:
            app.router.add_route(path, self._take, methods=["POST"])
        app.router.add_route("/inbox", self._list, methods=["GET"])
        app.router.add_route("/inbox", self._clear, methods=["DELETE"])
        app.router.add_route("/inbox/{number}", self._one, methods=["GET"])
        return app

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        yield
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, request: Request) -> Response:
        if not self._is_known(request):
            return _response(self._unread(request, Issue("KT111"), 401))
        body = await _body(request)
        if body is None:
            return _response(self._unread(request, Issue("KT116", params={"limit": LARGEST_BODY}), 413))
        media_type = request.headers.get("content-type", "")
        try:
            bundle = await asyncio.to_thread(fhir.decode, body, media_type)
        except AdapterError as error:
            status = 415 if isinstance(error, Unsupported) else 400
            return _response(self._unread(request, error.issue, status))
        record, act, reply = await asyncio.to_thread(self.inbox.take, body, media_type, bundle)
        self._show(record)
        return await self._act(record, act, reply)

    async def _act(self, record: Received, act: Act | None, reply: Reply) -> Response:
        """Do what the script asks beyond the reply itself."""
        if act is Act.TIMEOUT:
            await asyncio.sleep(self.silence)
        if act is Act.GARBAGE:
            return Response("<!doctype html><title>It works!</title>", media_type="text/html")
        if act is not None and self.later is not None and not self.inbox.replies:
            self._start(self._acknowledge(record, act, self.later))
        return _response(reply)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _acknowledge(self, record: Received, act: Act, later: Later) -> None:
        message = self.inbox.acknowledgement(record.bundle or {}, act, record.issues)
        if message is None:
            return
        await asyncio.sleep(later.after)
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        if later.token is not None:
            headers["Authorization"] = f"Bearer {later.token}"
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                answer = await client.post(later.address, content=fhir_json.write(message), headers=headers)
            record.acknowledged = f"later, answered {answer.status_code}"
        except httpx.HTTPError as error:
            record.acknowledged = f"later, failed: {type(error).__name__}"
        self.show(f"          acknowledged number {record.number} {record.acknowledged}")

    def _unread(self, request: Request, issue: Issue, status: int) -> Reply:
        record, reply = self.inbox.refuse(request.headers.get("content-type", ""), [issue], status)
        self._show(record)
        return reply

    def _show(self, record: Received) -> None:
        self.show("\n".join(lines(record)))

    def _is_known(self, request: Request) -> bool:
        shown = request.headers.get("authorization", "")
        return self.token is None or hmac.compare_digest(shown.encode(), f"Bearer {self.token}".encode())

    async def _list(self, _request: Request) -> Response:
        items = [record.summary() for record in self.inbox.items]
        return _json({"items": items, "count": len(items)})

    async def _one(self, request: Request) -> Response:
        number = request.path_params["number"]
        record = self.inbox.find(int(number)) if number.isdecimal() else None
        if record is None:
            return Response(status_code=404)
        return _json({**record.summary(), "content": record.bundle})

    async def _clear(self, _request: Request) -> Response:
        self.inbox.clear()
        return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """Read the body, None if it is larger than a stub takes."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > LARGEST_BODY:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _response(reply: Reply) -> Response:
    headers = {"Retry-After": str(reply.retry_after)} if reply.retry_after is not None else {}
    if reply.resource is None:
        return Response(status_code=reply.status, headers=headers)
    body = fhir_json.write(reply.resource)
    return Response(body, status_code=reply.status, headers=headers, media_type="application/fhir+json")


def _json(value: dict[str, Any]) -> Response:
    return Response(fhir_json.write(value, pretty=True), media_type="application/json")
