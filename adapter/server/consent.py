"""`/fhir/Consent`: consents, filed, changed and read back by the organisation that files them. R4 http.html.

What is filed is in force when it is answered. Organisations see their own and nothing of others: a consent of
another is answered as one that never was.
"""

from __future__ import annotations

import re
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.responses import Response

from adapter import fhir
from adapter.errors import Malformed
from adapter.fhir.budget import DOOR
from adapter.relay import consent_filing
from adapter.server.budgets import DoorBudget, read_body
from adapter.server.negotiation import (
    FHIR_BODIES,
    fhir_format,
    media_type_of,
    outcome_response,
    resource_response,
)
from adapter.server.route import Organisations, Route, organisation_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from adapter.relay.store.values import ConsentVersion
    from adapter.server.doors import Doors

BUDGET = DoorBudget(bytes=500_000, seconds=10)
_VERSION = re.compile(r'(?:W/)?"(\d{1,9})"')
_CONDITION = re.compile(r"identifier=([^|&]*\|[^|&]+)")


def routes(doors: Doors) -> list[Route]:
    """Return the route of each interaction."""
    desk = _Consents(doors)
    return [
        Route("POST", "/fhir/Consent", desk.create, Organisations("Consent", "c")),
        Route("PUT", "/fhir/Consent", desk.create_or_change, Organisations("Consent", "u")),
        Route("PUT", "/fhir/Consent/{id}", desk.change, Organisations("Consent", "u")),
        Route("GET", "/fhir/Consent/{id}", desk.read, Organisations("Consent", "r")),
    ]


class _Consents:
    """The interactions of one deployment: each method is one endpoint."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._relay = doors.relay

    async def create(self, request: Request) -> Response:
        """Create, conditionally with `If-None-Exist: identifier=system|value`."""
        filer, resource = await self._filed(request)
        condition = request.headers.get("if-none-exist")
        if condition is not None:
            known = await self._doors.work(consent_filing.find_named, _named(condition), self._relay, filer)
            if known is not None:
                return self._answer(request, known, 200)
        filed = await self._doors.take(filer, consent_filing.create, resource, self._relay, filer)
        return self._answer(request, filed.consent, 201 if filed.is_new else 200)

    async def change(self, request: Request) -> Response:
        """Update; with `If-Match` only if it still is the version named there."""
        filer, resource = await self._filed(request)
        id = request.path_params["id"]
        if resource.get("id") != id:
            raise Malformed("IN119", at="Consent.id")
        expected = _version(request.headers.get("if-match"))
        filed = await self._doors.take(
            filer, consent_filing.change, id, resource, self._relay, filer, expected
        )
        return self._answer(request, filed.consent, 200)

    async def create_or_change(self, request: Request) -> Response:
        """Update by `?identifier=system|value`: the first time it creates."""
        filer, resource = await self._filed(request)
        named = _named(f"identifier={request.query_params.get('identifier', '')}")
        known = await self._doors.work(consent_filing.find_named, named, self._relay, filer)
        filed = await self._doors.take(
            filer, consent_filing.create_or_change, resource, self._relay, filer, named
        )
        return self._answer(request, filed.consent, 201 if known is None else 200)

    async def read(self, request: Request) -> Response:
        """Read the newest version."""
        filer = organisation_of(request)
        found = await self._doors.work(consent_filing.find, request.path_params["id"], self._relay, filer)
        return resource_response(_as_read(found), 200, fhir_format(request), self._headers(found))

    async def _filed(self, request: Request) -> tuple[str, dict[str, Any]]:
        """Return who files and the resource. Raises Malformed (IN117) for another resource type."""
        filer = organisation_of(request)
        fhir_format(request)
        media_type, _charset = media_type_of(request, FHIR_BODIES)
        body = await read_body(request, BUDGET)
        resource = await self._doors.take(filer, fhir.decode, body, media_type, budget=DOOR)
        if resource.get("resourceType") != "Consent":
            raise Malformed("IN117", params={"type": "Consent"})
        return filer, resource

    def _answer(self, request: Request, found: ConsentVersion, status: int) -> Response:
        """Answer as `Prefer` asks: the resource as it stands, nothing, or an OperationOutcome."""
        headers = self._headers(found)
        if status == 201:
            headers["Location"] = f"{self._relay.address}/Consent/{found.id}/_history/{found.version}"
        wanted = request.headers.get("prefer", "")
        if "return=minimal" in wanted:
            return Response(status_code=status, headers=headers)
        if "return=OperationOutcome" in wanted:
            return outcome_response(request, [], status, headers)
        return resource_response(_as_read(found), status, fhir_format(request), headers)

    @staticmethod
    def _headers(found: ConsentVersion) -> dict[str, str]:
        return {
            "ETag": f'W/"{found.version}"',
            "Last-Modified": format_datetime(found.received_at, usegmt=True),
        }


def _as_read(found: ConsentVersion) -> dict[str, Any]:
    """Return the resource with the version and time that are the server's to say."""
    meta = {
        **found.resource.get("meta", {}),
        "versionId": str(found.version),
        "lastUpdated": found.received_at.isoformat(timespec="milliseconds"),
    }
    rest = {key: value for key, value in found.resource.items() if key not in ("resourceType", "id", "meta")}
    return {"resourceType": "Consent", "id": found.id, "meta": meta, **rest}


def _named(condition: str) -> str:
    """Return `system|value` of a condition. Raises Malformed (IN118) for any other search."""
    match = _CONDITION.fullmatch(unquote(condition.lstrip("?")))
    if match is None:
        raise Malformed("IN118")
    return match[1]


def _version(header: str | None) -> int | None:
    """Return the version of an `If-Match`. Raises Malformed (IN118) if it names none."""
    if header is None:
        return None
    match = _VERSION.fullmatch(header.strip())
    if match is None:
        raise Malformed("IN118")
    return int(match[1])
