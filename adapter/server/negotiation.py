"""Which format comes in and which goes out: media types, `_format`, `Accept`, languages. R4 http.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from adapter import fhir
from adapter.errors import Unsupported
from adapter.outcome import operation_outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from starlette.requests import Request

    from adapter.outcome import Issue, Language

FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
HL7_V2 = "x-application/hl7-v2+er7"

FORMATS: Mapping[str, str] = {
    "json": FHIR_JSON,
    "application/json": FHIR_JSON,
    "text/json": FHIR_JSON,
    FHIR_JSON: FHIR_JSON,
    "xml": FHIR_XML,
    "application/xml": FHIR_XML,
    "text/xml": FHIR_XML,
    FHIR_XML: FHIR_XML,
    "*/*": FHIR_JSON,
    "application/*": FHIR_JSON,
}
"""What callers may write in `_format` or `Accept`, and what they get."""

FHIR_BODIES = frozenset({FHIR_JSON, FHIR_XML, "application/json", "application/xml", "text/xml", "text/json"})
"""Media types of a FHIR resource that comes in."""

NATIVE_BODIES: Mapping[str, frozenset[str]] = {
    "hl7v2": frozenset(
        {HL7_V2, "application/hl7-v2", "application/hl7-v2+er7", "text/plain", "application/octet-stream"}
    ),
    "cda": frozenset({"application/xml", "text/xml", "application/cda+xml", "application/hl7-cda+xml"}),
    "xml": frozenset({"application/xml", "text/xml"}),
    "json": frozenset({"application/json"}),
    "fhir": FHIR_BODIES,
}
"""Media types that the native door takes, by the format of the source."""


def media_type_of(request: Request, taken: Collection[str]) -> tuple[str, str | None]:
    """Return the media type of the body and the charset it declares.

    Raises Unsupported (IN103) if there is none or it is not one of `taken`.
    """
    name, _, parameters = request.headers.get("content-type", "").partition(";")
    name = name.strip().lower()
    if name not in taken:
        raise Unsupported("IN103", params={"taken": ", ".join(sorted(taken))})
    return name, _parameter(parameters, "charset")


def _parameter(parameters: str, wanted: str) -> str | None:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == wanted and value.strip():
            return value.strip().strip('"').lower()
    return None


def fhir_format(request: Request) -> str:
    """Return the media type of the FHIR answer: `_format` if given, else the best of `Accept`, else JSON.

    Raises Unsupported (IN104) if nothing we can write is wanted.
    """
    asked = request.query_params.get("_format")
    if asked is not None:
        wanted = [asked.partition(";")[0].strip().lower().replace(" ", "+")]
    else:
        wanted = accepted(request.headers.get("accept", ""))
    if not wanted:
        return FHIR_JSON
    found = next((FORMATS[name] for name in wanted if name in FORMATS), None)
    if found is None:
        raise Unsupported("IN104")
    return found


def accepted(header: str) -> list[str]:
    """Return the media types of an `Accept` header, the most wanted first, without those refused by q=0."""
    weighed = sorted(_weights(header), key=lambda pair: -pair[0])
    return [name for weight, name in weighed if weight > 0]


def _weights(header: str) -> Iterator[tuple[float, str]]:
    for part in header.split(","):
        name, _, parameters = part.partition(";")
        if name.strip():
            quality = _parameter(parameters, "q")
            try:
                weight = float(quality) if quality else 1.0
            except ValueError:
                weight = 0.0
            yield weight, name.strip().lower()


def language_of(request: Request) -> Language:
    """Return the language of texts for the caller: the first of `Accept-Language` we speak, else English."""
    for name in accepted(request.headers.get("accept-language", "")):
        match name[:2]:
            case "fi":
                return "fi"
            case "sv":
                return "sv"
            case "en":
                return "en"
    return "en"


def outcome_response(
    request: Request, issues: Sequence[Issue], status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return `issues` as an OperationOutcome in the format the caller wants, JSON where we cannot tell."""
    try:
        media_type = fhir_format(request)
    except Unsupported:
        media_type = FHIR_JSON
    outcome = operation_outcome(issues, language_of(request))
    return resource_response(outcome, status, media_type, headers)


def resource_response(
    resource: dict[str, object], status: int, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return one resource as an HTTP answer."""
    body = fhir.encode(resource, media_type)
    return Response(body, status, dict(headers or {}), media_type=f"{media_type};charset=utf-8")
