"""What the decision for one recipient becomes: its delivery, and the fate that the sender is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.relay.category import rule_of
from adapter.relay.consent import Permit
from adapter.relay.eligibility import NotEligible
from adapter.relay.message import DeliveryState, Fate, Kind, Level, MessageState, NewDelivery

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from adapter.relay.consent import Deny
    from adapter.relay.deployment import Relay
    from adapter.relay.routing import Recipient
    from adapter.relay.store.values import DeliveryRow


def fate_of(recipient: Recipient, decided: Permit | Deny | NotEligible) -> Fate:
    """Return what the sender is told of this recipient."""
    if isinstance(decided, Permit):
        return Fate(recipient=recipient.organisation, state=DeliveryState.QUEUED, level=decided.level)
    state = MessageState.NOT_APPLICABLE if isinstance(decided, NotEligible) else DeliveryState.WITHHELD
    return Fate(recipient=recipient.organisation, state=state, reason=decided.reasons[0])


def delivery_of(
    recipient: Recipient,
    decided: Permit | Deny,
    relay: Relay,
    *,
    event: str | None,
    subject: str | None,
    at: datetime,
) -> NewDelivery:
    """Return the delivery: queued where it is permitted, else withheld for the weightiest reason.

    `event`: code of our message-event system; of what tells how something stands a late copy is of no use.
    """
    permit = decided if isinstance(decided, Permit) else None
    return _new(
        relay,
        recipient.organisation,
        subject,
        at,
        kind=Kind.NOTIFICATION,
        level=permit.level if permit else None,
        reason=None if isinstance(decided, Permit) else decided.reason,
        basis=permit.reference if permit else None,
        evidence=str(recipient.evidence),
        lasts=None if rule_of(event).may_be_late else min(relay.schedule.give_up, relay.time_to_live),
    )


def cancellation_of(original: DeliveryRow, relay: Relay, *, subject: str | None, at: datetime) -> NewDelivery:
    """Return the cancellation of a copy, for whoever has it and on the ground it went by."""
    return _new(
        relay,
        original.recipient,
        subject,
        at,
        kind=Kind.CANCELLATION,
        level=original.level or Level.MINIMAL,
        reason=None,
        basis=original.basis,
        evidence=original.evidence,
    )


def reply_of(
    hospital: str,
    decided: Permit | Deny,
    relay: Relay,
    *,
    subject: str | None,
    at: datetime,
    reason: str | None,
    case: str,
) -> NewDelivery:
    """Return the way back of a business reply: to whoever sent what it answers, on the same ground."""
    permit = decided if isinstance(decided, Permit) else None
    return _new(
        relay,
        hospital,
        subject,
        at,
        kind=Kind.FEEDBACK,
        level=permit.level if permit else None,
        reason=reason,
        basis=permit.reference if permit else None,
        evidence=f"reply: case/{case}",
    )


def answer_to(sender: str, message: str, relay: Relay, *, at: datetime) -> NewDelivery:
    """Return the way of an answer that goes to the sender of a message later."""
    made = _new(relay, sender, None, at, kind=Kind.ANSWER, level=None, reason=None, basis=None, evidence=None)
    return replace(made, lane=f"answer|{sender}|{message}")


def _new(
    relay: Relay,
    recipient: str,
    subject: str | None,
    at: datetime,
    *,
    kind: Kind,
    level: Level | None,
    reason: str | None,
    basis: str | None,
    evidence: str | None,
    lasts: timedelta | None = None,
) -> NewDelivery:
    return NewDelivery(
        id=relay.ids.new(),
        recipient=recipient,
        kind=kind,
        state=DeliveryState.WITHHELD if reason else DeliveryState.QUEUED,
        lane=lane(recipient, subject),
        level=level,
        reason=reason,
        basis=basis,
        evidence=evidence,
        bundle_id=relay.ids.new(),
        header_id=relay.ids.new(),
        expires_at=at + (lasts or relay.time_to_live),
    )


def lane(recipient: str, subject: str | None) -> str:
    """Return the lane of a recipient and a person: within it the order of acceptance is kept."""
    return f"{recipient}|{subject or ''}"
