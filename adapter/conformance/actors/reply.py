"""The answers of a stub: response messages and OperationOutcomes, built from nothing but what came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.conformance.actors.judge import TEST_LABEL, header_of
from adapter.conformance.actors.script import Act
from adapter.fhir.canonical import code_system
from adapter.outcome import operation_outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from adapter.outcome import Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who the stub is, as it says itself."""

    name: str
    address: str
    """Its own base address, `MessageHeader.source.endpoint` of what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer, before it becomes bytes."""

    status: int
    resource: dict[str, Any] | None = None
    retry_after: int | None = None
    """Seconds."""


RESPONSE_CODES = {Act.OK: "ok", Act.TRANSIENT_ERROR: "transient-error", Act.FATAL_ERROR: "fatal-error"}
"""Acts that are a response message, with `MessageHeader.response.code`. R4 response-code."""

STATUSES = {
    Act.STATUS_400: 400,
    Act.STATUS_401: 401,
    Act.STATUS_429: 429,
    Act.STATUS_500: 500,
    Act.STATUS_503: 503,
    Act.LOST_ANSWER: 503,
}
"""Acts that are an HTTP status with an OperationOutcome."""

ISSUE_TYPE_OF_STATUS = {400: "invalid", 401: "login", 429: "throttled", 500: "exception", 503: "transient"}
WAIT_STATUSES = frozenset({429, 503})


def response(
    message: Mapping[str, Any],
    code: str,
    *,
    party: Party,
    ids: tuple[str, str, str],
    now: datetime,
    issues: list[Issue],
) -> dict[str, Any]:
    """Build the response message to `message`.

    `ids`: the Bundle's, the MessageHeader's and the OperationOutcome's. The outcome is there if something is
    to be said. R4 messaging.html: `response.identifier` is the id of the MessageHeader answered.
    """
    header = header_of(message)
    bundle_id, header_id, outcome_id = ids
    said = _outcome(code, issues)
    answer: dict[str, Any] = {
        "resourceType": "MessageHeader",
        "id": header_id,
        "eventCoding": {"system": code_system("message-event"), "code": "acknowledgement"},
        "destination": _back_to(header),
        "source": {"name": party.name, "software": "Silta stub", "endpoint": party.address},
        "response": {"identifier": str(header.get("id", "unknown")), "code": code},
    }
    if not answer["destination"]:
        del answer["destination"]
    entries = [{"fullUrl": f"urn:uuid:{header_id}", "resource": answer}]
    if said is not None:
        answer["response"]["details"] = {"reference": f"urn:uuid:{outcome_id}"}
        entries.append({"fullUrl": f"urn:uuid:{outcome_id}", "resource": {**said, "id": outcome_id}})
    return {
        "resourceType": "Bundle",
        "id": bundle_id,
        "meta": {"tag": [{"system": TEST_LABEL[0], "code": TEST_LABEL[1]}]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{bundle_id}"},
        "type": "message",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "entry": entries,
    }


def _outcome(code: str, issues: list[Issue]) -> dict[str, Any] | None:
    if issues:
        said = operation_outcome(issues)
        said["issue"] = [_for_the_code(issue, code) for issue in said["issue"]]
        return said
    if code == "ok":
        return None
    kind = "transient" if code == "transient-error" else "business-rule"
    return _plain(kind, f"The script of this stub answers {code}.")


def _for_the_code(issue: dict[str, Any], code: str) -> dict[str, Any]:
    """Lower an error to a warning where the message was taken all the same."""
    return {**issue, "severity": "warning"} if code == "ok" and issue["severity"] == "error" else issue


def _plain(kind: str, text: str) -> dict[str, Any]:
    issue = {"severity": "error", "code": kind, "details": {"text": text}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _back_to(header: Mapping[str, Any]) -> list[dict[str, Any]]:
    source = header.get("source")
    endpoint = source.get("endpoint") if isinstance(source, dict) else None
    return [{"endpoint": endpoint}] if isinstance(endpoint, str) and endpoint else []


def failure(act: Act) -> Reply:
    """Build the HTTP error that `act` asks for."""
    status = STATUSES[act]
    outcome = _plain(ISSUE_TYPE_OF_STATUS[status], f"The script of this stub answers {status}.")
    return Reply(status=status, resource=outcome, retry_after=1 if status in WAIT_STATUSES else None)


def refusal(status: int, issues: list[Issue]) -> Reply:
    """Build the HTTP error for what could not even be read."""
    return Reply(status=status, resource=operation_outcome(issues))
