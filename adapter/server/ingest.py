"""`POST /ingest/{source}`: a system's own format, as it records it. HL7 v2, CDA, JSON, or FHIR as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from adapter.errors import NotFound
from adapter.relay import intake
from adapter.relay.message import Submission
from adapter.server.negotiation import NATIVE_BODIES, accepted, media_type_of
from adapter.server.route import Organisations, Route, organisation_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from adapter.relay.message import Answer
    from adapter.relay.source import Source
    from adapter.server.doors import Doors
    from adapter.server.route import Endpoint


def routes(doors: Doors) -> list[Route]:
    """Return the native door."""
    return [Route("POST", "/ingest/{source}", _endpoint(doors), Organisations("Bundle", "c"))]


def _endpoint(doors: Doors) -> Endpoint:

    async def ingest(request: Request) -> Response:
        caller = organisation_of(request)
        source = _source(doors, request.path_params["source"], caller)
        media_type, charset = media_type_of(request, NATIVE_BODIES[source.format])
        body = await doors.body(request)
        submission = Submission(
            sender=caller,
            source=source.name,
            body=body,
            media_type=media_type,
            charset=charset,
            received_at=doors.relay.clock.now(),
        )
        wanted = accepted(request.headers.get("accept", ""))
        answer = await doors.take(caller, intake.accept, submission, doors.relay, wanted)
        return as_response(answer)

    return ingest


def _source(doors: Doors, name: str, caller: str) -> Source:
    """Return the caller's source of that name.

    Raises NotFound (IN105); for somebody else's source too, so that nobody learns of it.
    """
    source = doors.relay.sources.get(name)
    if source is None or source.organisation != caller:
        raise NotFound("IN105")
    return source


def as_response(answer: Answer) -> Response:
    """Return a stored answer as it is, byte for byte."""
    return Response(answer.body, answer.status, media_type=answer.media_type)
