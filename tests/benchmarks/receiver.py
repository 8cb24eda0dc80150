"""The cheapest receiver there is: answers every POST, counts them, and says the count at GET."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

taken = 0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a FHIR message with a response message, anything else with nothing."""
    global taken
    body, goes_on = b"", True
    while goes_on:
        event = await receive()
        body += event.get("body", b"")
        goes_on = event.get("more_body", False)
    answer = str(taken).encode()
    if scope["method"] == "POST":
        taken += 1
        answer = acknowledgement(body) if body.startswith(b"{") else b""
    headers = [(b"content-type", b"application/fhir+json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def acknowledgement(body: bytes) -> bytes:
    """Return the shortest response message that settles a delivery."""
    header = json.loads(body)["entry"][0]["resource"]["id"]
    resource = {"resourceType": "MessageHeader", "response": {"identifier": header, "code": "ok"}}
    bundle = {"resourceType": "Bundle", "type": "message", "entry": [{"resource": resource}]}
    return json.dumps(bundle).encode()


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), http="httptools", lifespan="off", access_log=False, log_level="error"
    )
