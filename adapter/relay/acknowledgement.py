"""Acknowledgements: an answer, in the reply or later, finds its delivery and settles it.

The delivery is found by `MessageHeader.response.identifier`, which is the id of the header we sent. Only the
recipient's own organisation may settle its delivery. An acknowledgement that matches nothing is kept: it may
have overtaken what it answers. An acknowledgement is never acknowledged by a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from adapter import fhir
from adapter.errors import Malformed
from adapter.outcome import Issue, has_errors, operation_outcome
from adapter.relay.answer import FHIR_JSON
from adapter.relay.element import child, text
from adapter.relay.message import Answer
from adapter.relay.message_bundle import Message
from adapter.relay.store.values import AckCode

if TYPE_CHECKING:
    from adapter.relay.deployment import Relay
    from adapter.relay.element import Element

CODES: tuple[str, ...] = get_args(AckCode)

FINDING_OF_VERDICT: dict[str, str] = {
    "first": "PN501",
    "repeat": "PN502",
    "late": "PN503",
    "contradicting": "PN504",
    "unknown": "PN505",
}
"""What the partner is told of its acknowledgement, by what it meant to the delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What an answer to one of our messages says."""

    identifier: str
    """MessageHeader.id of the message it answers."""
    code: AckCode
    outcome: Element
    """The OperationOutcome, empty where there is none."""


def is_one(resource: Element) -> bool:
    """Return True if a resource is a message that answers another one."""
    return resource.get("resourceType") == "Bundle" and "response" in Message(resource).first("MessageHeader")


def read(bundle: Element) -> Acknowledgement:
    """Read an acknowledgement.

    Raises Malformed (PN510) with every fault: no identifier, a code that is none of ok, transient-error and
    fatal-error, no OperationOutcome where all is not well. R4 MessageHeader.response.
    """
    message = Message(bundle)
    at, header = next(message.of("MessageHeader"), ("Bundle", {}))
    response = child(header, "response")
    identifier, code = text(response, "identifier"), text(response, "code")
    outcome = message.resolve(child(response, "details")) or message.first("OperationOutcome")
    faults: list[Issue] = []
    if identifier is None:
        faults.append(Issue("PN511", at=f"{at}.response.identifier"))
    if code not in CODES:
        faults.append(Issue("PN512", at=f"{at}.response.code", params={"known": ", ".join(CODES)}))
    if code != "ok" and outcome.get("resourceType") != "OperationOutcome":
        faults.append(Issue("PN513", at=f"{at}.response.details"))
    found: AckCode | None = next((each for each in get_args(AckCode) if each == code), None)
    if identifier is None or found is None or faults:
        raise Malformed("PN510", at=at, params={"count": len(faults)}, issues=faults)
    return Acknowledgement(identifier=identifier.removeprefix("urn:uuid:"), code=found, outcome=outcome)


def settle(bundle: Element, relay: Relay, partner: str) -> Answer:
    """Take in an acknowledgement that came by itself, and commit what it means before answering.

    `partner`: key of the calling organisation, from its credentials. The answer is an OperationOutcome: 200
    whether it matched or not, because there is nothing the partner should do again; 422 for one that does
    not say what it answers.
    """
    try:
        found = read(bundle)
    except Malformed as fault:
        return _answer(422, list(fault.issues))
    body = fhir.encode(dict(bundle), FHIR_JSON)
    matched = relay.store.acknowledgement(partner, found.identifier, found.code, body, relay.clock.now())
    return _answer(200, [Issue(FINDING_OF_VERDICT[matched.verdict])], matched.message)


def _answer(status: int, issues: list[Issue], message: str | None = None) -> Answer:
    assert status < 400 or has_errors(issues)  # noqa: S101 - a refusal says why
    return Answer(
        status=status,
        media_type=FHIR_JSON,
        body=fhir.encode(operation_outcome(issues), FHIR_JSON),
        message=message,
    )
