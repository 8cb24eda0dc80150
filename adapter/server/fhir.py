"""The FHIR doors: messages in, acknowledgements in, what we are able to do, and validation. FHIR R4."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from adapter import __version__, fhir
from adapter.errors import AdapterError, Malformed
from adapter.fhir.budget import DOOR
from adapter.relay import acknowledgement, intake
from adapter.relay.message import Submission
from adapter.relay.source import FHIR_SOURCE
from adapter.server.ingest import as_response
from adapter.server.negotiation import (
    FHIR_BODIES,
    FHIR_JSON,
    fhir_format,
    media_type_of,
    outcome_response,
    resource_response,
)
from adapter.server.route import Anybody, Organisations, Route, organisation_of
from adapter.shipped import folder

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.relay.deployment import Relay
    from adapter.relay.message import Answer
    from adapter.server.doors import Doors
    from adapter.server.route import Endpoint


def routes(doors: Doors) -> list[Route]:
    """Return the doors for FHIR messages, and for what needs no message."""
    take, check = process_message(doors), validate(doors)
    return [
        Route("GET", "/fhir/metadata", metadata(doors), Anybody()),
        Route("POST", "/fhir/$process-message", take, Organisations("Bundle", "c")),
        Route("POST", "/fhir/Bundle", take, Organisations("Bundle", "c")),
        Route("POST", "/fhir/$validate", check, Organisations()),
        Route("POST", "/fhir/{type}/$validate", check, Organisations()),
    ]


def process_message(doors: Doors) -> Endpoint:
    """Return the endpoint of `$process-message`: a message, or the acknowledgement of one of ours.

    `async=true`: an empty 202 once it is committed, and the answer as a message to the caller's own address.

    FHIR R4 messaging.html, operation MessageHeader-process-message.
    """

    async def endpoint(request: Request) -> Response:
        caller = organisation_of(request)
        wanted = [fhir_format(request)]
        media_type, charset = media_type_of(request, FHIR_BODIES)
        is_asynchronous = _is_asynchronous(request)
        body = await doors.body(request)
        submission = Submission(
            sender=caller,
            source=FHIR_SOURCE,
            body=body,
            media_type=media_type,
            charset=charset,
            received_at=doors.relay.clock.now(),
            is_asynchronous=is_asynchronous,
        )
        response_url = request.query_params.get("response-url")
        answer = await doors.take(caller, _take, submission, doors.relay, wanted, response_url)
        return as_response(answer)

    return endpoint


def _is_asynchronous(request: Request) -> bool:
    """Return what the parameter `async` of the operation says. Raises Malformed (IN121) for no boolean."""
    said = request.query_params.get("async", "false")
    if said not in ("true", "false"):
        raise Malformed("IN121")
    return said == "true"


def _take(submission: Submission, relay: Relay, wanted: list[str], response_url: str | None) -> Answer:
    """Settle what answers one of our messages; everything else is a submission.

    An answer is never answered: a good one that came asynchronously leaves the reply empty.
    """
    bundle = _acknowledgement(submission)
    if bundle is None:
        if submission.is_asynchronous:
            intake.check_address(submission.sender, response_url, relay)
        return intake.accept(submission, relay, wanted)
    said = acknowledgement.settle(bundle, relay, submission.sender)
    is_quiet = submission.is_asynchronous and said.status < HTTPStatus.BAD_REQUEST
    return replace(said, status=HTTPStatus.ACCEPTED, body=b"") if is_quiet else said


def _acknowledgement(submission: Submission) -> dict[str, Any] | None:
    """Return the Bundle if it is a response message; None for others and for what cannot be read.

    The look at the bytes spares every other message a second reading.
    """
    if b"response" not in submission.body:
        return None
    try:
        bundle = fhir.decode(submission.body, submission.media_type, budget=DOOR)
    except AdapterError:
        return None
    return bundle if acknowledgement.is_one(bundle) else None


def validate(doors: Doors) -> Endpoint:
    """Return the endpoint of `$validate`: the body is checked, nothing is kept.

    The resource stands in the body as it is, or in a Parameters resource as `resource`, with the profile as
    `profile`. Where the address names a type it must be of it. 200 with an OperationOutcome, whatever is
    found. FHIR R4 operation Resource-validate.
    """

    async def endpoint(request: Request) -> Response:
        media_type = fhir_format(request)
        given, _charset = media_type_of(request, FHIR_BODIES)
        body = await doors.body(request)
        issues = await doors.take(
            organisation_of(request),
            intake.reader_of(doors.relay).judge,
            body,
            given,
            request.path_params.get("type"),
            request.query_params.get("profile"),
        )
        return outcome_response(request, issues, 200, {"Content-Type": media_type})

    return endpoint


def metadata(doors: Doors) -> Endpoint:
    """Return the endpoint of the CapabilityStatement. FHIR R4 http.html#capabilities."""

    async def endpoint(request: Request) -> Response:
        media_type = fhir_format(request)
        said = capability_statement(doors.relay)
        if doors.clients is not None:
            said["rest"][0]["security"] = _smart(doors.clients.endpoint)
        return resource_response(said, 200, media_type)

    return endpoint


def capability_statement(relay: Relay) -> dict[str, Any]:
    """Say what this adapter takes and sends: what every relay does, and where this one is.

    FHIR R4 CapabilityStatement, cpb-2, cpb-3, cpb-14, cpb-15.
    """
    every = _every_relay()
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": every["date"],
        "kind": "instance",
        "instantiates": [every["url"]],
        "software": {"name": "Silta", "version": __version__},
        "implementation": {
            "description": f"{relay.name}, {relay.mode.value} deployment",
            "url": relay.address,
        },
        "fhirVersion": every["fhirVersion"],
        "format": every["format"],
        "rest": [dict(each) for each in every["rest"]],
        "messaging": [
            {
                "endpoint": [{"protocol": _PROTOCOL, "address": f"{relay.address}/$process-message"}],
                "reliableCache": relay.remembers // timedelta(minutes=1),
                **each,
            }
            for each in every["messaging"]
        ],
    }


@cache
def _every_relay() -> dict[str, Any]:
    """Return the shipped statement of what a relay does."""
    path = folder("profiles") / "capabilitystatements" / "relay.json"
    return fhir.decode(path.read_bytes(), FHIR_JSON)


_PROTOCOL = {"system": "http://terminology.hl7.org/CodeSystem/message-transport", "code": "http"}


def _smart(endpoint: str) -> dict[str, Any]:
    """Say where tokens are had. SMART App Launch 2.2.0, conformance, "Declaring support"."""
    coding = {
        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
        "code": "SMART-on-FHIR",
    }
    return {
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": endpoint}],
            }
        ],
        "service": [{"coding": [coding]}],
    }
