"""The sending half of a stub hospital: a file goes to the adapter's door, and the answer is shown."""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from adapter.errors import RefusedDelivery, TransientDelivery

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

MEDIA_TYPES = {
    ".hl7": "x-application/hl7-v2+er7",
    ".er7": "x-application/hl7-v2+er7",
    ".xml": "application/xml",
    ".cda": "application/xml",
    ".json": "application/json",
}
"""By the ending of the file's name."""

FHIR_MEDIA_TYPES = {".xml": "application/fhir+xml", ".json": "application/fhir+json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a hospital sends, and what it shows there."""

    address: str
    """Base address of the adapter, without a path."""
    source: str | None
    """Name of the native source; None sends to `$process-message`."""
    token: str | None = field(default=None, repr=False)

    @property
    def is_mllp(self) -> bool:
        """True for `mllp://host:port`, where HL7 v2 goes without HTTP around it."""
        return self.address.startswith("mllp://")

    @property
    def url(self) -> str:
        """The whole address of the door."""
        if self.is_mllp:
            return self.address
        path = f"/ingest/{self.source}" if self.source else "/fhir/$process-message"
        return self.address.rstrip("/").removesuffix("/fhir") + path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the adapter said to one submission."""

    status: int
    """HTTP status; over MLLP 200 for AA, 422 for AE, 400 for any other."""
    media_type: str
    body: bytes
    verdict: str | None = None
    """MSA-1, where it was answered over MLLP."""

    @property
    def is_success(self) -> bool:
        """True for the 2xx."""
        return 200 <= self.status < 300


def media_type_of(path: Path, source: str | None) -> str:
    """Return the media type a file is sent with."""
    table = MEDIA_TYPES if source else FHIR_MEDIA_TYPES
    return table.get(path.suffix.lower(), "application/octet-stream")


def send(body: bytes, media_type: str, door: Door, *, request_id: str) -> Answered:
    """Post one submission and return the answer.

    Raises TransientDelivery (KT131) if nobody answers in time, RefusedDelivery (KT132) for an address that
    is none.
    """
    if door.is_mllp:
        return _send_mllp(body, door)
    headers = {"Content-Type": media_type, "X-Request-Id": request_id}
    if door.token is not None:
        headers["Authorization"] = f"Bearer {door.token}"
    try:
        with httpx.Client(trust_env=False, timeout=30, verify=_trusted()) as client:
            answer = client.post(door.url, content=body, headers=headers)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise RefusedDelivery("KT132") from error
    except httpx.TransportError as error:
        raise TransientDelivery("KT131") from error
    return Answered(
        status=answer.status_code, media_type=answer.headers.get("content-type", ""), body=answer.content
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Return the authorities we trust, read once: that takes longer than a message."""
    return httpx.create_ssl_context(trust_env=False)


def _send_mllp(body: bytes, door: Door) -> Answered:
    """Send one block and return what its acknowledgement says. HL7 MLLP, Release 1."""
    place = urlsplit(door.address)
    if not place.hostname or not place.port:
        raise RefusedDelivery("KT132")
    said = b""
    try:
        with socket.create_connection((place.hostname, place.port), timeout=30) as wire:
            wire.sendall(b"\x0b" + body + b"\x1c\r")
            while not said.endswith(b"\x1c\r") and (more := wire.recv(65536)):
                said += more
    except OSError as error:
        raise TransientDelivery("KT131") from error
    message = said.removeprefix(b"\x0b").removesuffix(b"\x1c\r")
    verdict = re.search(rb"\rMSA\|(\w+)", message)
    if verdict is None:
        raise TransientDelivery("KT131")
    status = {b"AA": 200, b"AE": 422}.get(verdict[1], 400)
    return Answered(
        status=status, media_type="x-application/hl7-v2+er7", body=message, verdict=verdict[1].decode()
    )


def wait_for(door: Door, seconds: float) -> None:
    """Wait until somebody listens at the address of a door, `seconds` at most; then go on either way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if door.is_mllp:
                place = urlsplit(door.address)
                socket.create_connection((place.hostname or "", place.port or 0), timeout=1).close()
            else:
                httpx.get(door.address, trust_env=False, timeout=1, verify=_trusted())
        except (httpx.TransportError, OSError):
            time.sleep(0.2)
        else:
            return


def lines(answered: Answered) -> Iterator[str]:
    """Yield an answer as lines a person reads: the status, then each issue."""
    how = f"HTTP {answered.status}" if answered.verdict is None else f"MLLP {answered.verdict}"
    yield f"answer {how} {answered.media_type}"
    if "json" not in answered.media_type:
        yield from (f"  {line}" for line in answered.body.decode("utf-8", "replace").splitlines())
        return
    resource = json.loads(answered.body)
    entries = resource.get("entry", [{"resource": resource}])
    for entry in entries:
        held = entry.get("resource", {})
        if "response" in held:
            yield f"  response {held['response'].get('code')}"
        for issue in held.get("issue", ()):
            codes = [coding.get("code", "") for coding in issue.get("details", {}).get("coding", ())]
            text = issue.get("details", {}).get("text") or issue.get("diagnostics", "")
            yield f"  {issue.get('severity')} {' '.join(codes)}  {text}"
            yield from (f"      at {place}" for place in issue.get("location", ()))
            yield from (f"      at {place}" for place in issue.get("expression", ()))
            if "details" in issue and issue.get("severity") in ("fatal", "error") and "diagnostics" in issue:
                yield f"      help: {issue['diagnostics']}"
