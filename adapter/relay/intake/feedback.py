"""A business reply: it finds the case it answers, moves it on, and goes back to the hospital."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.outcome import Issue, has_errors
from adapter.relay import decision, feedback
from adapter.relay.case import CASE_TRANSITIONS, WITHOUT_CASE, CaseState, CaseStep
from adapter.relay.consent import Permit
from adapter.relay.intake.decided import reply_of
from adapter.relay.intake.ends import invalid
from adapter.relay.intake.work import Judged
from adapter.relay.message import MESSAGE_TRANSITIONS, DeliveryState, Fate, Kind, MessageEvent, MessageState
from adapter.relay.store.deliveries import RECALLED
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from adapter.relay.deployment import Relay
    from adapter.relay.feedback import Feedback
    from adapter.relay.intake.reader import Content
    from adapter.relay.intake.work import Work
    from adapter.relay.store.values import DeliveryRow, MessageRow

_AT = "Bundle.entry.resource.ofType(Communication)"


def take(work: Work, content: Content, found: tuple[Issue, ...]) -> Judged:
    """Take a reply in. `found`: what the validator and the rules of identity and mode say of it.

    Not valid: PN520 if it answers nothing that the caller got through here, PN521 if the case cannot go
    where the reply would lead it, PN144 if it is about another person.
    """
    said, relay = feedback.read(content.bundle), work.relay
    if has_errors(found) or said.reply is None:
        return invalid(work, content, None, found)
    told = find_told(said, relay, work.submission.sender, decision.subject_of(content.facts, relay))
    if told is None:
        return invalid(work, content, None, (*found, Issue("PN520", at=f"{_AT}.inResponseTo")))
    delivery, about = told
    seen = next((case.state for case in relay.store.cases(message=about.id) if case.id == delivery.id), None)
    if seen is None and delivery.reason == RECALLED:
        seen = CaseState.CLOSED  # it was taken back before anybody had answered
    if (seen or CaseState.AWAITING_REPLY, said.reply) not in CASE_TRANSITIONS:
        issue = Issue("PN521", at=f"{_AT}.extension", params={"state": str(seen), "reply": said.reply.value})
        return invalid(work, content, None, (*found, issue))
    step = CaseStep(case=delivery.id, seen=seen, event=said.reply)
    return _moved(work, content, found, step, about)


def _moved(
    work: Work, content: Content, found: tuple[Issue, ...], step: CaseStep, about: MessageRow
) -> Judged:
    """The case moves on, and the hospital is told, as far as the patient lets it be told."""
    relay = work.relay
    decided = decision.ask_for_case(step.case, relay, work.at)
    if isinstance(decided, Permit) and about.sender not in relay.partners:
        reason: str | None = "RT105"
    else:
        reason = None if isinstance(decided, Permit) else decided.reason
    level = decided.level if isinstance(decided, Permit) else None
    state = DeliveryState.QUEUED if reason is None else DeliveryState.WITHHELD
    subject = decision.subject_of(content.facts, relay)
    return Judged(
        state=advance(MESSAGE_TRANSITIONS, MessageState.RECEIVED, MessageEvent.ROUTED),
        issues=found,
        content=content,
        fates=(Fate(recipient=about.sender, state=state, reason=reason, level=level),),
        deliveries=(
            reply_of(
                about.sender, decided, relay, subject=subject, at=work.at, reason=reason, case=step.case
            ),
        ),
        audit=(
            work.record(
                "reply",
                "permitted" if reason is None else "denied",
                reason,
                case=step.case,
                reply=step.event.value,
                recipient=about.sender,
            ),
        ),
        step=step,
        extra={"case": step.case, "reply": step.event.value},
    )


def find_told(
    said: Feedback, relay: Relay, caller: str, subject: str | None
) -> tuple[DeliveryRow, MessageRow] | None:
    """Return the newest copy that the caller got of what the reply answers, and its message.

    It is named by the id that the copy gave the notification, by the hospital's own id of it, or by the id
    of the copy's header. Only copies about the same person are looked at.
    """
    if subject is None:
        return None
    store, party = relay.store, decision.ground_of(relay).directory.party(caller)
    copies = [
        each
        for key in (party.keys if party else (caller,))
        for each in store.disclosures(subject=subject, recipient=key)
        if each.kind is Kind.NOTIFICATION and each.event not in WITHOUT_CASE
    ]
    for each in reversed(copies):
        delivery, message = store.delivery(each.delivery), store.message(each.message)
        given = decision.notification_id(message.sender, message.notification or message.id, relay)
        names = {f"urn:ietf:rfc:3986|urn:uuid:{given}", f"urn:uuid:{given}", delivery.header_id}
        if said.answers & (names | {message.notification}):
            return delivery, message
    return None
