"""A notification, an assessment or a plan finds who is to get it, and each of them is decided for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.relay import decision, eligibility, routing
from adapter.relay.consent import Deny, Permit
from adapter.relay.directory import RecipientClass
from adapter.relay.eligibility import Eligible, NotEligible
from adapter.relay.intake.decided import delivery_of, fate_of
from adapter.relay.intake.ends import not_applicable
from adapter.relay.intake.succession import kept_for_later, overtaken, superseded
from adapter.relay.intake.work import Judged
from adapter.relay.message import MESSAGE_TRANSITIONS, Fate, MessageEvent, MessageState
from adapter.relay.routing import Unrouted
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from adapter.relay.intake.reader import Content
    from adapter.relay.intake.work import Work
    from adapter.relay.message import AuditRecord, Meaning
    from adapter.relay.notification import Notification
    from adapter.relay.routing import Recipient
    from adapter.relay.store.values import MessageRow


def notify(work: Work, content: Content, meaning: Meaning, earlier: MessageRow | None) -> Judged:
    """Find the recipients and decide for each; nobody where something later has overtaken it."""
    facts, relay = content.facts, work.relay
    extra = kept_for_later(facts, meaning, earlier)
    too_late = overtaken(facts, meaning, earlier, relay.zone)
    if too_late is not None and earlier is not None:
        extra |= {"overtaken": too_late, "sent": earlier.extra["sent"]}
        return not_applicable(work, content, meaning, (too_late,), extra=extra)
    ground = decision.ground_of(relay)
    day = work.at.astimezone(relay.zone).date()
    sender = work.submission.sender
    routed = routing.recipients_for(facts, ground.directory, day, sender)
    if isinstance(routed, Unrouted):
        return _unrouted(work, content, meaning, routed, earlier, extra)
    answers = [
        (
            each,
            decision.ask_first(
                facts, meaning, each, relay, sender=sender, at=work.at, brought=work.brought.records(relay)
            ),
        )
        for each in routed
    ]
    # What the rungs above said is said of all that were found by one.
    issues = (*(routed[0].passed if routed else ()), *content.issues)
    fates = tuple(fate_of(recipient, answer) for recipient, answer in answers)
    eligible = [(each, answer) for each, answer in answers if not isinstance(answer, NotEligible)]
    if not any(_is_not_employer(each) for each, _ in eligible) and len(eligible) < len(answers):
        reasons = next(answer.reasons for _, answer in answers if isinstance(answer, NotEligible))
        return not_applicable(work, content, meaning, reasons, fates=fates, extra=extra)
    subject = decision.subject_of(facts, relay)
    return Judged(
        state=advance(MESSAGE_TRANSITIONS, MessageState.RECEIVED, MessageEvent.ROUTED),
        issues=issues,
        content=content,
        meaning=meaning,
        fates=fates,
        deliveries=tuple(
            delivery_of(each, answer, relay, event=facts.rule_event, subject=subject, at=work.at)
            for each, answer in eligible
        ),
        audit=tuple(_record(work, each, answer) for each, answer in answers),
        cancels=superseded(facts, meaning, earlier),
        extra=extra,
    )


def _is_not_employer(recipient: Recipient) -> bool:
    return recipient.recipient_class is not RecipientClass.EMPLOYER


def _unrouted(
    work: Work,
    content: Content,
    meaning: Meaning,
    unrouted: Unrouted,
    earlier: MessageRow | None,
    extra: dict[str, str],
) -> Judged:
    """Nobody was found: for a person, unless no agreement of this hospital covers it anyway."""
    facts = content.facts
    reasons = _never_eligible(work, facts, meaning)
    if reasons:
        return not_applicable(work, content, meaning, reasons, extra=extra)
    state = advance(MESSAGE_TRANSITIONS, MessageState.RECEIVED, MessageEvent.NOT_ROUTED)
    return Judged(
        state=state,
        issues=(*unrouted.issues, *content.issues),
        content=content,
        meaning=meaning,
        fates=(Fate(recipient=None, state=state, reason=None),),
        audit=(work.record("route", state.value, unrouted.reason),),
        cancels=superseded(facts, meaning, earlier),
        extra=extra,
    )


def _never_eligible(work: Work, facts: Notification, meaning: Meaning) -> tuple[str, ...]:
    """Why no agreement of the sender covers it; empty if one does."""
    ground = decision.ground_of(work.relay)
    party = ground.directory.party(work.submission.sender)
    keys = party.keys if party else (work.submission.sender,)
    answers = [
        eligibility.assess(facts, meaning, each, facts.day)
        for each in ground.agreements
        if each.hospital in keys
    ]
    if any(isinstance(each, Eligible) for each in answers):
        return ()
    return min(
        (each.reasons for each in answers if isinstance(each, NotEligible)), key=len, default=("PN201",)
    )


def _record(work: Work, recipient: Recipient, decided: Permit | Deny | NotEligible) -> AuditRecord:
    """Who was decided upon, with what result, on what ground."""
    detail = {
        "recipient": recipient.organisation,
        "evidence": str(recipient.evidence),
        "confidence": recipient.evidence.confidence.value,
    }
    if isinstance(decided, Permit):
        return work.record(
            "decide", "permitted", None, **detail, level=decided.level, basis=decided.reference
        )
    if isinstance(decided, Deny) and decided.purpose is not None:
        detail["purpose"] = decided.purpose
    outcome = "not-eligible" if isinstance(decided, NotEligible) else "denied"
    return work.record("decide", outcome, decided.reasons[0], **detail, reasons=" ".join(decided.reasons))
