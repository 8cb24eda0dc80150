"""What an answer says about a message: `MessageHeader.response` of a response Bundle.

It comes in the reply or in a message of its own; both are read here, and the acknowledgement of HL7 v2 too. A
bare OperationOutcome in a reply that is otherwise a success counts as well: an error said with status 200 is
no success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.fhir import json as fhir_json
from adapter.fhir.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.relay.store.values import AckCode

BUDGET = Budget(bytes=2_000_000, depth=64, elements=100_000)

CODES: dict[str, AckCode] = {
    "ok": "ok",
    "transient-error": "transient-error",
    "fatal-error": "fatal-error",
}
"""R4 response-code."""

_TRANSIENT_TYPES = frozenset(
    {"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled"}
)
"""R4 issue-type `transient` and what is below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One acknowledgement as it was said."""

    identifier: str | None
    """Id of the MessageHeader it answers, without `urn:uuid:`; None where it answers by its place alone."""
    code: AckCode


VERDICTS: dict[bytes, AckCode] = {
    b"AA": "ok",
    b"CA": "ok",
    b"AR": "transient-error",
    b"CR": "transient-error",
    b"AE": "fatal-error",
    b"CE": "fatal-error",
}
"""MSA-1 of an HL7 v2 acknowledgement: an error of the content does not pass by sending it again, a rejection
for other reasons may. HL7 v2.5.1 table 0008; the MedCom acknowledgement guide maps them alike."""


def read_reply(body: bytes, media_type: str | None) -> Reply | None:
    """Read the body of a reply; None if it is no acknowledgement, or cannot be read at all."""
    if (media_type or "").startswith("x-application/hl7-v2+er7"):
        return _of_acknowledgement(body)
    try:
        resource = _decoded(body, (media_type or "application/fhir+json").partition(";")[0].strip().lower())
    except AdapterError:
        return None
    return reply_of(resource) if isinstance(resource, dict) else None


def _decoded(body: bytes, media_type: str) -> object:
    if not body:
        return None
    if media_type.endswith("xml"):
        from adapter.fhir import xml

        return xml.read(body, BUDGET)
    return fhir_json.read(body, BUDGET) if media_type.endswith("json") else None


def reply_of(resource: Mapping[str, Any]) -> Reply | None:
    """Return what a resource says as an answer to a message; None if it is none.

    R4 MessageHeader.response; R4 OperationOutcome.
    """
    if resource.get("resourceType") == "OperationOutcome":
        return _of_outcome(resource)
    entries = resource.get("entry")
    if resource.get("resourceType") != "Bundle" or not isinstance(entries, list) or not entries:
        return None
    header = entries[0].get("resource") if isinstance(entries[0], dict) else None
    response = header.get("response") if isinstance(header, dict) else None
    if not isinstance(response, dict):
        return None
    identifier, code = response.get("identifier"), CODES.get(str(response.get("code")))
    if not isinstance(identifier, str) or code is None:
        return None
    return Reply(identifier=identifier.removeprefix("urn:uuid:"), code=code)


def _of_acknowledgement(body: bytes) -> Reply | None:
    """Return what MSA-1 says; the wire has seen to it that MSA-2 names our message. HL7 v2.5.1, 2.15.8."""
    separator = body[3:4]
    for segment in body.split(b"\r") if body.startswith(b"MSH") and separator else ():
        fields = segment.strip(b"\n").split(separator)
        if fields[0] == b"MSA" and len(fields) > 1:
            code = VERDICTS.get(fields[1])
            return Reply(identifier=None, code=code) if code is not None else None
    return None


def _of_outcome(outcome: Mapping[str, Any]) -> Reply | None:
    issues = outcome.get("issue")
    grave = [
        issue
        for issue in (issues if isinstance(issues, list) else [])
        if isinstance(issue, dict) and issue.get("severity") in ("fatal", "error")
    ]
    if not grave:
        return None
    passing = all(issue.get("code") in _TRANSIENT_TYPES for issue in grave)
    return Reply(identifier=None, code="transient-error" if passing else "fatal-error")
