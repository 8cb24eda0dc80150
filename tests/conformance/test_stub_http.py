"""The stub over HTTP: what it takes, what it refuses, and what it lists."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from adapter.conformance.actors.app import Stub
from adapter.conformance.actors.script import Act
from tests.conformance.test_stub import MESSAGE, inbox
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from adapter.conformance.actors.inbox import Inbox

FHIR = {"Content-Type": "application/fhir+json"}
BODY = json.dumps(MESSAGE).encode()


def call(box: Inbox, *requests: httpx.Request, token: str | None = None) -> list[httpx.Response]:
    """Send requests to a stub, one after the other."""
    shown: list[str] = []
    app = Stub(inbox=box, show=shown.append, token=token, silence=0.01).app()

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, timeout=PATIENCE) as client:
            return [await client.send(request) for request in requests]

    return asyncio.run(run())


def post(path: str = "/fhir/$process-message", body: bytes = BODY, **headers: str) -> httpx.Request:
    return httpx.Request("POST", f"http://stub{path}", content=body, headers=FHIR | headers)


@pytest.mark.parametrize(
    "path", ["/", "/fhir", "/$process-message", "/fhir/$process-message", "/fhir/Bundle"]
)
def test_messages_are_taken_under_any_name(path: str) -> None:
    """Partners call the address differently; the stub takes them all."""
    assert call(inbox(), post(path))[0].status_code == 200


def test_a_token_is_asked_for_if_there_is_one() -> None:
    """A stub that was given a token refuses who does not show it."""
    with_token = post(Authorization="Bearer right")

    answers = call(inbox(), post(), post(Authorization="Bearer wrong"), with_token, token="right")

    assert [answer.status_code for answer in answers] == [401, 401, 200]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [(b"{", "application/fhir+json", 400), (b"x", "text/plain", 415), (b"x" * 10_000_001, "text/plain", 413)],
)
def test_what_cannot_be_read_is_refused_and_listed(body: bytes, media_type: str, status: int) -> None:
    """Unreadable bytes are answered with an OperationOutcome and stand in the inbox all the same."""
    box = inbox()

    [answer] = call(box, post(body=body, **{"Content-Type": media_type}))

    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert box.items[0].answered == "unreadable"


def test_a_busy_stub_says_when_to_come_again() -> None:
    """503 carries Retry-After."""
    assert call(inbox(Act.STATUS_503), post())[0].headers["retry-after"] == "1"


def test_garbage_is_a_web_page() -> None:
    """The act garbage answers 200 with something that is no FHIR."""
    assert call(inbox(Act.GARBAGE), post())[0].headers["content-type"].startswith("text/html")


def test_silence_ends_without_a_resource() -> None:
    """The act timeout says nothing for its time."""
    assert call(inbox(Act.TIMEOUT), post())[0].content == b""


def test_the_inbox_lists_shows_and_forgets() -> None:
    """GET /inbox lists, GET /inbox/1 shows the content, DELETE forgets."""
    one = httpx.Request("GET", "http://stub/inbox/1")
    every = httpx.Request("GET", "http://stub/inbox")
    forget = httpx.Request("DELETE", "http://stub/inbox")

    _, listed, shown, _, gone, emptied = call(inbox(), post(), every, one, forget, one, every)

    assert listed.json()["items"][0]["level"] == "minimal"
    assert shown.json()["content"]["id"] == MESSAGE["id"]
    assert (gone.status_code, emptied.json()["count"]) == (404, 0)
