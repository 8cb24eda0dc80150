"""A person assigns: an unrouted message gets the recipients somebody found, decided for as any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter import fhir
from adapter.errors import Conflict, NotPermitted
from adapter.outcome import Issue
from adapter.relay import answer, decision, event, notification
from adapter.relay.directory import RecipientClass
from adapter.relay.eligibility import NotEligible
from adapter.relay.intake.decided import delivery_of, fate_of
from adapter.relay.message import AuditRecord, MessageState
from adapter.relay.routing import Evidence, Rung

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from adapter.relay.deployment import Relay
    from adapter.relay.message import Fate, Meaning, NewDelivery
    from adapter.relay.notification import Notification
    from adapter.relay.routing import Recipient
    from adapter.relay.store.values import MessageRow


def assign(message: str, recipient: str, relay: Relay, *, actor: str, evidence: str) -> Fate:
    """Give an unrouted message the one recipient that a person found; see `assign_all`."""
    [fate] = assign_all(message, {recipient: evidence}, relay, actor=actor)
    return fate


def assign_all(message: str, found: Mapping[str, str], relay: Relay, *, actor: str) -> list[Fate]:
    """Give an unrouted message the recipients that a person found, and decide for each as for any other.

    `found`: for each recipient what proves that the patient is in its care. All are assigned or none: where
    one cannot be, the message waits on as it did.

    Raises NotFound if there is no such message, Conflict (RT112) if it no longer waits, NotPermitted: RT110
    without evidence, RT103-RT105 for an organisation that cannot receive, CO109 for an employer, RT111 if no
    agreement covers it.
    """
    row = relay.store.message(message)
    if row.state is not MessageState.NEEDS_ROUTING or row.superseded_by is not None:
        raise Conflict("RT112", params={"state": row.state.value})
    assignable = [_assignable(recipient, relay, evidence) for recipient, evidence in found.items()]
    # One organisation by two of its keys is one.
    recipients = list({each.organisation: each for each in assignable}.values())
    facts, meaning = _stored(row, relay)
    at = relay.clock.now()
    fates: list[Fate] = []
    deliveries: list[NewDelivery] = []
    records: list[AuditRecord] = []
    for each in recipients:
        decided = decision.ask(facts, meaning, each, relay, sender=row.sender, at=at)
        if isinstance(decided, NotEligible):
            raise NotPermitted("RT111", issues=[Issue("RT111"), *(Issue(code) for code in decided.reasons)])
        delivery = delivery_of(each, decided, relay, event=row.event, subject=row.subject, at=at)
        fates.append(fate_of(each, decided))
        deliveries.append(delivery)
        records.append(_record(message, each, delivery, actor, at))
    relay.store.assign(message, deliveries, records)
    return fates


def _record(
    message: str, recipient: Recipient, delivery: NewDelivery, actor: str, at: datetime
) -> AuditRecord:
    return AuditRecord(
        at=at,
        actor=actor,
        action="assign",
        object=f"message/{message}",
        outcome=delivery.state.value,
        reason=delivery.reason,
        detail=(
            ("recipient", recipient.organisation),
            ("evidence", str(recipient.evidence)),
            ("confidence", recipient.evidence.confidence.value),
        ),
    )


def _assignable(recipient: str, relay: Relay, evidence: str) -> Recipient:
    if not evidence.strip():
        raise NotPermitted("RT110")
    directory = decision.ground_of(relay).directory
    party = directory.party(recipient)
    if party is None:
        raise NotPermitted("RT103")
    if party.recipient_class is RecipientClass.EMPLOYER:
        raise NotPermitted("CO109")
    proof = Evidence(rung=Rung.ASSIGNED, detail=evidence.strip())
    found = decision.recipient_of(party.key, proof, decision.ground_of(relay))
    if found is None:
        raise NotPermitted("RT105" if party.is_active else "RT104")
    return found


def _stored(row: MessageRow, relay: Relay) -> tuple[Notification, Meaning]:
    body = relay.store.content(row.id)
    if body is None:
        raise Conflict("RT112", params={"state": "forgotten"})
    facts = notification.read(fhir.decode(body, answer.FHIR_JSON))
    return facts, row.meaning or event.meaning_of(facts.event_system, facts.event, facts.reason)
