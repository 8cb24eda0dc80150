"""A receiver on loopback, plain asyncio: logs what it gets, answers as told.

    python -m tests.relay.receiver LOG PORTFILE [--mute]

LOG gets one line per request before the answer leaves: request id, SHA-256 of the body, the Bundle's `number`
and `lane` if it carries them, the time. Used by the kill tests and the
benchmark; nothing of the adapter is imported.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


def acknowledgement(identifier: str) -> bytes:
    """A response Bundle that says ok."""
    header = {"resourceType": "MessageHeader", "response": {"identifier": identifier, "code": "ok"}}
    return json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]}).encode()


async def read_request(reader: asyncio.StreamReader) -> tuple[Mapping[str, str], bytes] | None:
    """Headers (lower case) and body of the next request; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    try:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return headers, body


def answer(status: int, body: bytes = b"", *extra: str, media_type: str = "application/fhir+json") -> bytes:
    """The bytes of an HTTP answer."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        f"Content-Type: {media_type}",
        *extra,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


class Receiver:
    """Serves one connection after the other, or many at once, and writes a line per request."""

    def __init__(self, log: TextIO | None) -> None:
        self._log = log

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer everything on one connection."""
        while (request := await read_request(reader)) is not None:
            headers, body = request
            identifier = headers.get("x-request-id", "")
            if self._log is not None:
                self._log.write(self._line(identifier, body))
                self._log.flush()
            writer.write(answer(200, acknowledgement(identifier)))
            try:
                await writer.drain()
            except ConnectionError:
                break
        writer.close()

    def _line(self, identifier: str, body: bytes) -> str:
        said = json.loads(body)
        digest = hashlib.sha256(body).hexdigest()
        return f"{identifier} {digest} {said.get('number', '-')} {said.get('lane', '-')} {time.time():.3f}\n"


async def main(log: Path, port_file: Path, *, mute: bool) -> None:
    """Listen on a free port, tell it, and serve for ever."""
    with log.open("a") as lines:
        receiver = Receiver(None if mute else lines)
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        port_file.with_suffix(".part").write_text(str(server.sockets[0].getsockname()[1]))
        port_file.with_suffix(".part").rename(port_file)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), mute="--mute" in sys.argv))
