"""The delivery report: the sender is told that somebody was not told, or that nobody has answered.

No patient, no clinical content.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import URI, code_system, profile
from adapter.outcome import Issue, operation_outcome
from adapter.relay import event
from adapter.relay.bundling import instant, message_bundle
from adapter.relay.disclosure import House, identifier_of
from adapter.relay.message import DeliveryState, Mode

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.outcome import Language
    from adapter.relay.deployment import Relay
    from adapter.relay.directory import Directory
    from adapter.relay.store.values import Claimed

NOT_DONE_REASON = code_system("not-done-reason")
FATE = code_system("fate")

REASON_OF_CODE: dict[str, str] = {
    "CO103": "consent-withdrawn",
    "CO109": "recipient-not-allowed",
    "RT108": "ambiguous-oh",
    "PN530": "no-reply",
    "PN211": "sensitive-hold",
    "PN212": "sensitive-hold",
    "PN213": "sensitive-hold",
    "DL111": "superseded",
    "DL113": "undelivered",
    "DL140": "undelivered",
    "DL141": "undelivered",
    "DL114": "cancelled",
    "DL123": "recalled",
}
"""Codes of findings with a not-done-reason of their own."""
NO_REPLY = "PN530"
"""Nobody has answered in time: told with a Task."""
REASON_OF_ROOM: dict[str, str] = {"CO": "no-consent", "RT": "no-oh", "PN": "not-eligible"}
REASON_OF_STATE: dict[DeliveryState, str] = {
    DeliveryState.WITHHELD: "no-consent",
    DeliveryState.PARKED: "undelivered",
    DeliveryState.REFUSED: "receiver-rejected",
    DeliveryState.CLOSED: "expired",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How one delivery ended, and whose it was."""

    message: str
    """Id of the message here."""
    notification: str | None
    """The sender's own id of the notification, `system|value`."""
    recipient: House
    state: DeliveryState
    reason: str | None
    """A code of the catalogue."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """From whom to whom a report goes, under which ids."""

    bundle_id: str
    header_id: str
    endpoint: str
    """Address of the sender of the notification."""
    address: str
    name: str
    mode: Mode
    language: Language
    made_at: datetime


def build(end: End, cover: Cover) -> dict[str, Any]:
    """Build the message that tells a sender how one delivery ended.

    The same arguments give the same message. R4 Bundle (message), MessageHeader, Communication.
    """
    space = uuid.UUID(cover.bundle_id)
    header, communication, outcome, recipient = (
        f"urn:uuid:{cover.header_id}",
        *(
            f"urn:uuid:{uuid.uuid5(space, kind)}"
            for kind in ("Communication", "OperationOutcome", "Organization")
        ),
    )
    task = f"urn:uuid:{uuid.uuid5(space, 'Task')}"
    resources = {
        header: _header(cover, communication, outcome),
        communication: _communication(end, cover, recipient),
        outcome: _outcome(end, cover.language),
        recipient: {
            "resourceType": "Organization",
            "identifier": [identifier_of(end.recipient.key)],
            **({"name": end.recipient.name} if end.recipient.name else {}),
        },
    }
    if end.reason == NO_REPLY:
        resources[task] = _task(end, cover, communication)
        resources[header]["focus"].append({"reference": task})
    return message_bundle(
        resources.items(),
        cover.bundle_id,
        made_for=profile("delivery-report-message"),
        mode=cover.mode,
        at=cover.made_at,
    )


def not_done_reason(state: DeliveryState, reason: str | None) -> str:
    """Return the code of our not-done-reason system for an end: by its code, its room, else its state."""
    code = reason or ""
    return REASON_OF_CODE.get(code) or REASON_OF_ROOM.get(code[:2]) or REASON_OF_STATE[state]


def of_claimed(claimed: Claimed, relay: Relay, at: datetime, directory: Directory) -> dict[str, Any]:
    """Build the report that a claimed delivery of kind delivery-report sends."""
    about = claimed.about
    assert about is not None  # noqa: S101 - the store gives every report what it is about
    party = directory.party(about.recipient)
    partner = relay.partners[claimed.recipient]
    return build(
        End(
            message=claimed.message,
            notification=claimed.notification,
            recipient=House(key=party.key if party else about.recipient, name=party.name if party else None),
            state=about.state,
            reason=about.reason,
            at=about.at,
        ),
        Cover(
            bundle_id=claimed.bundle_id,
            header_id=claimed.header_id,
            endpoint=partner.endpoint,
            address=relay.address,
            name=relay.name,
            mode=relay.mode,
            language=partner.language,
            made_at=at,
        ),
    )


def uuid_of(digest: str) -> str:
    """Make a UUID of the first half of a keyed hash. RFC 9562, version 8."""
    return str(
        uuid.UUID(int=(int(digest[:32], 16) & ~(0xF << 76) & ~(0x3 << 62)) | (0x8 << 76) | (0x2 << 62))
    )


def _header(cover: Cover, communication: str, outcome: str) -> dict[str, Any]:
    return {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": event.MESSAGE_EVENT, "code": event.DELIVERY_REPORT},
        "destination": [{"endpoint": cover.endpoint}],
        "source": {"name": cover.name, "endpoint": cover.address},
        "focus": [{"reference": communication}, {"reference": outcome}],
    }


def _communication(end: End, cover: Cover, recipient: str) -> dict[str, Any]:
    about = {"system": URI, "value": f"urn:uuid:{end.message}"}
    system, bar, value = (end.notification or "").partition("|")
    if system:
        about = {"system": system, "value": value} if bar else {"value": system}
    reason = not_done_reason(end.state, end.reason)
    return {
        "resourceType": "Communication",
        "meta": {"profile": [profile("delivery-report")]},
        "identifier": [{"system": URI, "value": f"urn:uuid:{cover.bundle_id}"}],
        "inResponseTo": [{"identifier": about}],
        # Where nobody has answered yet the matter goes on; every other end is one.
        "status": "in-progress" if reason == REASON_OF_CODE[NO_REPLY] else "not-done",
        "statusReason": {"coding": [{"system": NOT_DONE_REASON, "code": reason}]},
        "category": [
            {"coding": [{"system": code_system("communication-category"), "code": "delivery-report"}]}
        ],
        "sent": instant(end.at),
        "recipient": [{"reference": recipient}],
    }


def _task(end: End, cover: Cover, communication: str) -> dict[str, Any]:
    """Ask somebody at the hospital to find out who takes the matter over. R4 Task."""
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "description": Issue(NO_REPLY).text(cover.language),
        "focus": {"reference": communication},
        "authoredOn": instant(end.at),
        "requester": {"display": cover.name},
    }


def _outcome(end: End, language: Language) -> dict[str, Any]:
    code = end.reason or "PN402"
    outcome = operation_outcome([Issue(code)], language)
    outcome["issue"][0]["details"]["coding"].append({"system": FATE, "code": end.state.value})
    return outcome
