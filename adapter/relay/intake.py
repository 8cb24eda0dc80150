"""Intake: one submission in, one answer out, and everything committed before the answer.

Read and map, ask what the event means, validate, find the recipients, decide for each, then one transaction
with message, deliveries, audit and answer. What cannot be read, is not valid or is not for the relay commits
too, with its findings: nothing that was handed to us is ever in no state at all.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from adapter import fhir
from adapter.errors import Conflict, ContentError, NotFound, NotPermitted, TooCostly, Unsupported
from adapter.fhir.canonical import profile
from adapter.mapping import readers
from adapter.outcome import Issue, has_errors
from adapter.relay import answer, decision, eligibility, event, notification, routing
from adapter.relay.answer import Reply
from adapter.relay.consent import Deny, Permit
from adapter.relay.deployment import FHIR_SOURCE, Source
from adapter.relay.directory import RecipientClass
from adapter.relay.element import child, children, moment_of, text
from adapter.relay.eligibility import Eligible, NotEligible
from adapter.relay.message import (
    AuditRecord,
    DeliveryState,
    Fate,
    Intake,
    Kind,
    Level,
    Meaning,
    MessageEvent,
    MessageState,
    NewDelivery,
    Submission,
    advance_message,
)
from adapter.relay.routing import Evidence, Recipient, Rung, Unrouted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from adapter.mapping import Lineage, Outcome
    from adapter.mapping.nodes import SourceTree
    from adapter.relay.answer import Style
    from adapter.relay.deployment import Relay
    from adapter.relay.element import Element
    from adapter.relay.message import Answer
    from adapter.relay.notification import Notification
    from adapter.relay.store.values import DeliveryRow, MessageRow

MESSAGE_PROFILE = profile("notification-message")
SILTA = "silta"
"""Actor of what the relay does by itself."""


def accept(submission: Submission, relay: Relay, wanted: Sequence[str] = ()) -> Answer:
    """Take one submission in and say what becomes of it.

    `wanted`: media types the caller accepts for the answer, the best first; empty for any. The answer is
    committed with everything it tells of; the same submission again gets the same bytes. 400 for what cannot
    be read, 422 for what is not valid (with every finding), 409 for other content under a known id, 200 for
    all else, with one issue for each recipient.

    Raises NotFound (PN140) for a source that is not the caller's, StoreError if nothing could be committed.
    """
    source = source_of(submission, relay)
    style = answer.style_for(source.format, wanted, is_message=submission.source == FHIR_SOURCE)
    work = _Work(submission, relay, source, style)
    try:
        known = relay.store.known_answer(
            submission.sender, (), None, source=submission.source, body=submission.body
        )
        return known or _committed(work)
    except Conflict as conflict:
        return work.answer(_Judged(state=MessageState.INVALID, status=409, issues=(conflict.issue,)))


def _committed(work: _Work) -> Answer:
    """Decide and commit; decide again if a message about the same notification was committed in between.

    Without that a notification and its cancellation, handed in at the same moment, would not know of each
    other. Every repeat means that another submission went through, so it ends.
    """
    while True:
        work.looked_up = None
        intake = work.intake(_judge(work))
        if work.looked_up is None:
            return work.relay.store.commit_intake(intake)
        done = work.relay.store.commit_intake_after(intake, work.looked_up.newest)
        if done is not None:
            return done


def source_of(submission: Submission, relay: Relay) -> Source:
    """Return the source a submission names.

    Raises NotFound (PN140) if there is none of that name, or if it belongs to another organisation: nobody
    learns which sources others have.
    """
    if submission.source == FHIR_SOURCE:
        return Source(name=FHIR_SOURCE, organisation=submission.sender, format="fhir", zone=relay.zone)
    source = relay.sources.get(submission.source)
    if source is None or source.organisation != submission.sender:
        raise NotFound("PN140")
    return source


# What was found out ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """A submission that could be read."""

    bundle: Element
    facts: Notification
    issues: tuple[Issue, ...]
    tree: SourceTree | None
    """The source as it was read; None where it is FHIR already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What becomes of a submission, and why."""

    state: MessageState
    status: int = 200
    issues: tuple[Issue, ...] = ()
    content: _Content | None = None
    lineage: Lineage | None = None
    """Made where something is wrong, to name the sender's own fields."""
    meaning: Meaning | None = None
    fates: tuple[Fate, ...] = ()
    deliveries: tuple[NewDelivery, ...] = ()
    audit: tuple[AuditRecord, ...] = ()
    cancels: str | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _LookedUp:
    newest: str | None


@dataclass(slots=True)
class _Work:
    """One submission on its way: what every step needs, and the ids it is given."""

    submission: Submission
    relay: Relay
    source: Source
    style: Style
    message: str = ""
    looked_up: _LookedUp | None = None
    """Which message about the same notification the decision knew of; None if it did not ask."""

    def __post_init__(self) -> None:
        self.message = self.relay.ids.new()

    @property
    def at(self) -> datetime:
        return self.submission.received_at

    def record(self, action: str, outcome: str, reason: str | None = None, **detail: str) -> AuditRecord:
        """Write an act of the relay into the audit."""
        return AuditRecord(
            at=self.at,
            actor=self.submission.sender if action == "accept" else SILTA,
            action=action,
            object=f"message/{self.message}",
            outcome=outcome,
            reason=reason,
            detail=tuple(detail.items()),
        )

    def answer(self, judged: _Judged) -> Answer:
        """Render what the sender is told."""
        facts = judged.content.facts if judged.content else None
        reply = Reply(
            status=judged.status,
            issues=judged.issues,
            fates=judged.fates,
            message=None if judged.status == 409 else self.message,
            header_id=facts.header_id if facts else None,
            answer_id=self.relay.ids.new(),
            at=self.at,
            address=self.relay.address,
            name=self.relay.name,
            mode=self.relay.mode,
            original=self.submission.body,
        )
        return answer.render(reply, self.style)

    def intake(self, judged: _Judged) -> Intake:
        """Put together what one transaction commits."""
        content, facts = judged.content, judged.content.facts if judged.content else None
        is_kept = judged.state not in (MessageState.UNREADABLE, MessageState.INVALID)
        generation = judged.extra.get("generation", "")
        digest = _digest(content.bundle) if content else hashlib.sha256(self.submission.body).hexdigest()
        return Intake(
            message=self.message,
            sender=self.submission.sender,
            source=self.submission.source,
            mode=self.relay.mode,
            state=judged.state,
            meaning=judged.meaning,
            event=facts.event if facts else None,
            notification=facts.identifier if facts else None,
            keys=tuple(_keys(facts, judged.meaning, generation, digest)) if facts and is_kept else (),
            digest=digest,
            subject=decision.subject_of(facts, self.relay) if facts else None,
            received_at=self.at,
            original=self.submission.body,
            media_type=self.submission.media_type,
            content=fhir.encode(dict(content.bundle), answer.FHIR_JSON) if content else None,
            lineage=_written(judged.lineage),
            issues=judged.issues,
            deliveries=judged.deliveries,
            cancels=judged.cancels,
            answer=self.answer(judged),
            audit=(
                self.record(
                    "accept", judged.state.value, _first_code(judged.issues), source=self.source.name
                ),
                *judged.audit,
            ),
            happened_at=facts.happened_at if facts else None,
            extra=judged.extra,
        )


# The steps ------------------------------------------------------------------------------------------------


def _judge(work: _Work) -> _Judged:
    """Walk a submission through reading, meaning and validation to what becomes of it."""
    try:
        content = _read(work)
    except ContentError as fault:
        status = 413 if isinstance(fault, TooCostly) else 400
        return _Judged(
            state=advance_message(MessageState.RECEIVED, MessageEvent.NOT_READ),
            status=status,
            issues=tuple(fault.issues),
            audit=(work.record("read", "unreadable", fault.code),),
        )
    try:
        meaning = _meaning(work, content)
    except Unsupported as fault:
        return _invalid(work, content, None, (fault.issue, *content.issues))
    if meaning in event.NOT_RELAYED_BECAUSE:
        return _not_applicable(work, content, meaning, (event.NOT_RELAYED_BECAUSE[meaning],))
    issues = _issues(work, content, meaning)
    if has_errors(issues):
        return _invalid(work, content, meaning, issues)
    content = replace(content, issues=issues)
    earlier = _earlier(work, content.facts)
    if earlier is not None and earlier.subject != decision.subject_of(content.facts, work.relay):
        # The same notification about another person: neither may speak for the other.
        return _invalid(work, content, meaning, (*issues, Issue("PN144", at="Bundle.entry.resource")))
    if meaning is Meaning.CANCEL:
        return _cancel(work, content, earlier)
    return _notify(work, content, meaning, earlier)


def _read(work: _Work) -> _Content:
    """Decode FHIR, or run the source's map.

    Raises ContentError for what cannot be read.
    """
    submission, source = work.submission, work.source
    if source.format == "fhir":
        bundle = fhir.decode(submission.body, submission.media_type)
        return _Content(bundle=bundle, facts=notification.read(bundle), issues=(), tree=None)
    tree = readers.read(
        submission.body, MEDIA_TYPE_OF[source.format], charset=submission.charset or source.charset
    )
    outcome = _mapped(work, tree, lineage=False)
    bundle = outcome.resources[0] if outcome.resources else {}
    return _Content(bundle=bundle, facts=notification.read(bundle), issues=tuple(outcome.issues), tree=tree)


def _mapped(work: _Work, tree: SourceTree, *, lineage: bool) -> Outcome:
    source, maps = work.source, work.relay.maps
    return (maps.choose(tree) if source.map == "auto" else maps[source.map]).run_tree(
        tree,
        source_id=hashlib.sha256(work.submission.body).hexdigest(),
        constants={
            "sender": source.organisation,
            "leaveEndIncluded": source.inclusive_end,
            **_by_table(work, tree),
        },
        zone=source.zone.key,
        lineage=lineage,
    )


def _by_table(work: _Work, tree: SourceTree) -> dict[str, str]:
    """What the deployment's own table of triggers says of a v2 message, for the map to follow.

    Empty for a trigger in no table: `_meaning` refuses it after the map has shown what else is wrong.
    """
    trigger = _trigger(tree) if work.source.format == "hl7v2" else ""
    meaning = work.relay.events.find(trigger)
    return {} if meaning is None else {"eventMeaning": meaning.value}


def _named(
    work: _Work, content: _Content, issues: tuple[Issue, ...]
) -> tuple[tuple[Issue, ...], Lineage | None]:
    """Name the sender's own field of each issue.

    Lineage costs a second run of the map, which gives the same again, so it is asked for only where
    something is wrong; `lineage_of` makes it for any other message.
    """
    lineage = _mapped(work, content.tree, lineage=True).lineage if content.tree is not None else None
    if lineage is None:
        return issues, None
    named = tuple(
        replace(issue, source_field=lineage.source_field(issue.at))
        if issue.at is not None and issue.source_field is None
        else issue
        for issue in issues
    )
    return named, lineage


def lineage_of(message: str, relay: Relay) -> list[dict[str, Any]] | None:
    """Return where each leaf of a stored message came from, as JSON; None where it came as FHIR.

    Made from the original as it was kept, with the maps as they are now. Raises NotFound if there is no such
    message, Conflict (RT112) if its content has been forgotten.
    """
    row = relay.store.message(message)
    body = relay.store.content(message, "original")
    if body is None:
        raise Conflict("RT112", params={"state": "forgotten"})
    submission = Submission(
        sender=row.sender,
        source=row.source,
        body=body,
        media_type=row.media_type,
        charset=None,
        received_at=row.received_at,
    )
    source = source_of(submission, relay)
    if source.format == "fhir":
        return None
    tree = readers.read(body, MEDIA_TYPE_OF[source.format], charset=source.charset)
    work = _Work(submission, relay, source, answer.style_for(source.format, (), is_message=False))
    lineage = _mapped(work, tree, lineage=True).lineage
    return lineage.as_json() if lineage is not None else None


MEDIA_TYPE_OF = {"hl7v2": "application/hl7-v2", "cda": "application/xml", "json": "application/json"}
"""What the mapping reads a source as, whatever its door was told."""


def _trigger(tree: SourceTree) -> str:
    """MSH-9.1 and MSH-9.2. HL7 v2.5.1, 2.15.9.9."""
    field: Any = tree.root
    for name in ("MSH", "f9"):
        found = field.get(name) if isinstance(field, dict) else None
        field = found[0] if isinstance(found, list) and found else found
    parts = (field.get("c1"), field.get("c2")) if isinstance(field, dict) else ()
    return "^".join(str(part) for part in parts if part)


def _meaning(work: _Work, content: _Content) -> Meaning:
    """What the event means, as the message says it and, for HL7 v2, as the table of triggers has it too.

    Raises Unsupported: PN130 or PN131 for an unknown event, PN135 and PN136 where the two do not agree.
    """
    facts = content.facts
    if work.source.format != "hl7v2" or content.tree is None:
        return event.meaning_of(facts.event_system, facts.event, facts.reason)
    trigger = _trigger(content.tree)
    by_table = work.relay.events.meaning_of_trigger(trigger) if "^" in trigger else Meaning.NOT_OURS
    by_map = event.meaning_of(facts.event_system, facts.event, facts.reason)
    if by_map is not by_table:
        raise Unsupported(
            "PN136", source_field="MSH-9", params={"map": by_map.value, "table": by_table.value}
        )
    return by_table


def _issues(work: _Work, content: _Content, meaning: Meaning) -> tuple[Issue, ...]:
    """Every finding: of the map, of the profile, and of what the content contradicts."""
    relay = work.relay
    found = [
        *content.issues,
        *relay.validator.validate(content.bundle, MESSAGE_PROFILE),
        *notification.faults(content.facts, meaning, relay.mode, now=work.at, zone=relay.zone),
        *_other_sender(work, content.facts),
    ]
    return tuple(issue for issue in found if not _is_absent_test_mark(issue, work.source))


def _other_sender(work: _Work, facts: Notification) -> Iterator[Issue]:
    """The caller's credentials say who sends; a message that says otherwise is told so."""
    party = decision.ground_of(work.relay).directory.party(work.submission.sender)
    if facts.sender is not None and facts.sender not in (party.keys if party else (work.submission.sender,)):
        yield Issue("PN146", at="Bundle.entry[0].resource.sender")


def _is_absent_test_mark(issue: Issue, source: Source) -> bool:
    """Formats without a mark of their own say nothing by lacking it: their source is of this mode."""
    return issue.code == "PN111" and source.format in ("cda", "json")


def _invalid(work: _Work, content: _Content, meaning: Meaning | None, issues: tuple[Issue, ...]) -> _Judged:
    errors = sum(issue.is_error for issue in issues)
    issues, lineage = _named(work, content, issues)
    return _Judged(
        lineage=lineage,
        state=advance_message(MessageState.RECEIVED, MessageEvent.FOUND_INVALID),
        status=422,
        issues=issues,
        content=content,
        meaning=meaning,
        audit=(work.record("validate", "invalid", _first_code(issues), errors=str(errors)),),
    )


def _not_applicable(
    work: _Work,
    content: _Content,
    meaning: Meaning,
    reasons: tuple[str, ...],
    *,
    fates: tuple[Fate, ...] = (),
    extra: dict[str, str] | None = None,
) -> _Judged:
    """Nothing goes out, and the sender is told why: a success, because nothing has to be done again."""
    state = advance_message(MessageState.RECEIVED, MessageEvent.FOUND_NOT_APPLICABLE)
    told = {fate.reason for fate in fates}
    reported = tuple(Issue(code) for code in reasons if code not in told)
    return _Judged(
        state=state,
        issues=(*reported, *content.issues),
        content=content,
        meaning=meaning,
        fates=fates,
        audit=(work.record("assess", state.value, reasons[0], reasons=" ".join(reasons)),),
        extra=extra or {},
    )


# A notification -------------------------------------------------------------------------------------------


def _notify(work: _Work, content: _Content, meaning: Meaning, earlier: MessageRow | None) -> _Judged:
    """Find who is to get it and decide for each."""
    facts, relay = content.facts, work.relay
    extra = _extra(facts, meaning, earlier)
    overtaken = _overtaken(facts, meaning, earlier, relay.zone)
    if overtaken is not None and earlier is not None:
        extra |= {"overtaken": overtaken, "sent": earlier.extra["sent"]}
        return _not_applicable(work, content, meaning, (overtaken,), extra=extra)
    ground = decision.ground_of(relay)
    day = work.at.astimezone(relay.zone).date()
    routed = routing.recipients_for(facts, ground.directory, day)
    if isinstance(routed, Unrouted):
        return _unrouted(work, content, meaning, routed, earlier, extra)
    sender = work.submission.sender
    answers = [
        (each, decision.ask(facts, meaning, each, relay, sender=sender, at=work.at)) for each in routed
    ]
    fates = tuple(_fate(recipient, answer) for recipient, answer in answers)
    open_ones = [(each, answer) for each, answer in answers if not isinstance(answer, NotEligible)]
    if not any(_is_not_employer(each) for each, _ in open_ones) and len(open_ones) < len(answers):
        reasons = next(answer.reasons for _, answer in answers if isinstance(answer, NotEligible))
        return _not_applicable(work, content, meaning, reasons, fates=fates, extra=extra)
    subject = decision.subject_of(facts, relay)
    deliveries = tuple(_delivery(work, each, answer, subject) for each, answer in open_ones)
    return _Judged(
        state=advance_message(MessageState.RECEIVED, MessageEvent.ROUTED),
        issues=content.issues,
        content=content,
        meaning=meaning,
        fates=fates,
        deliveries=deliveries,
        audit=tuple(_decision_record(work, each, answer) for each, answer in answers),
        cancels=_superseded(facts, meaning, earlier),
        extra=extra,
    )


def _is_not_employer(recipient: Recipient) -> bool:
    return recipient.recipient_class is not RecipientClass.EMPLOYER


def _unrouted(
    work: _Work,
    content: _Content,
    meaning: Meaning,
    unrouted: Unrouted,
    earlier: MessageRow | None,
    extra: dict[str, str],
) -> _Judged:
    """Nobody was found: for a person, unless no agreement of this hospital covers it anyway."""
    facts = content.facts
    reasons = _never_eligible(work, facts, meaning)
    if reasons:
        return _not_applicable(work, content, meaning, reasons, extra=extra)
    state = advance_message(MessageState.RECEIVED, MessageEvent.NOT_ROUTED)
    return _Judged(
        state=state,
        issues=(*unrouted.issues, *content.issues),
        content=content,
        meaning=meaning,
        fates=(Fate(recipient=None, state=state, reason=None),),
        audit=(work.record("route", state.value, unrouted.reason),),
        cancels=_superseded(facts, meaning, earlier),
        extra=extra,
    )


def _never_eligible(work: _Work, facts: Notification, meaning: Meaning) -> tuple[str, ...]:
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


def _fate(recipient: Recipient, decided: Permit | Deny | NotEligible) -> Fate:
    if isinstance(decided, Permit):
        return Fate(recipient=recipient.organisation, state=DeliveryState.QUEUED, level=decided.level)
    state = MessageState.NOT_APPLICABLE if isinstance(decided, NotEligible) else DeliveryState.WITHHELD
    return Fate(recipient=recipient.organisation, state=state, reason=decided.reasons[0])


def _delivery(
    work: _Work, recipient: Recipient, decided: Permit | Deny | NotEligible, subject: str | None
) -> NewDelivery:
    relay = work.relay
    permit = decided if isinstance(decided, Permit) else None
    return NewDelivery(
        id=relay.ids.new(),
        recipient=recipient.organisation,
        kind=Kind.NOTIFICATION,
        state=DeliveryState.QUEUED if permit else DeliveryState.WITHHELD,
        lane=lane(recipient.organisation, subject),
        level=permit.level if permit else None,
        reason=decided.reasons[0] if not isinstance(decided, Permit) else None,
        basis=permit.reference if permit else None,
        evidence=str(recipient.evidence),
        bundle_id=relay.ids.new(),
        header_id=relay.ids.new(),
        expires_at=work.at + relay.time_to_live,
    )


def lane(recipient: str, subject: str | None) -> str:
    """Return the lane of a recipient and a person: within it the order of acceptance is kept."""
    return f"{recipient}|{subject or ''}"


def _decision_record(work: _Work, recipient: Recipient, decided: Permit | Deny | NotEligible) -> AuditRecord:
    """Who was decided upon, with what result, on what ground."""
    detail = {"recipient": recipient.organisation, "evidence": str(recipient.evidence)}
    if isinstance(decided, Permit):
        return work.record(
            "decide", "permitted", None, **detail, level=decided.level, basis=decided.reference
        )
    outcome = "not-eligible" if isinstance(decided, NotEligible) else "denied"
    return work.record("decide", outcome, decided.reasons[0], **detail, reasons=" ".join(decided.reasons))


# Cancellation, correction, supersession -------------------------------------------------------------------


def _earlier(work: _Work, facts: Notification) -> MessageRow | None:
    """The newest message of this sender about the same notification."""
    if facts.identifier is None:
        return None
    found = work.relay.store.find_message(work.submission.sender, facts.identifier)
    work.looked_up = _LookedUp(found.id if found is not None else None)
    return found


def _is_correction(facts: Notification, meaning: Meaning | None) -> bool:
    return meaning is Meaning.UPDATE or facts.event == event.CORRECTION


def _superseded(facts: Notification, meaning: Meaning, earlier: MessageRow | None) -> str | None:
    """The message that this one replaces: a correction any, any other the one that planned it."""
    if earlier is None or earlier.meaning is Meaning.CANCEL:
        return None
    return earlier.id if _is_correction(facts, meaning) or earlier.meaning is Meaning.PLANNED else None


def _overtaken(
    facts: Notification, meaning: Meaning, earlier: MessageRow | None, zone: ZoneInfo
) -> str | None:
    """Why a message comes too late: what cancels or corrects it was sent later and came before."""
    if earlier is None:
        return None
    sent, later = moment_of(facts.sent, zone), moment_of(earlier.extra.get("sent"), zone)
    if sent is None or later is None or sent > later:
        return None
    if earlier.meaning is Meaning.CANCEL and earlier.extra.get("found") == "nothing":
        return "PN143"
    if earlier.extra.get("overtaken"):
        return earlier.extra["overtaken"]
    was_corrected = earlier.event == event.CORRECTION and not _is_correction(facts, meaning)
    return "PN145" if was_corrected else None


def _extra(facts: Notification, meaning: Meaning, earlier: MessageRow | None) -> dict[str, str]:
    """What later messages of the same notification need to know of this one.

    The generation grows when a notification comes again after its cancellation, so that the second is not
    taken for a repeat of the first.
    """
    extra = {"sent": facts.sent or ""}
    if earlier is None:
        return extra
    is_again = earlier.meaning is Meaning.CANCEL and meaning is not Meaning.CANCEL
    extra["generation"] = earlier.id if is_again else earlier.extra.get("generation", "")
    return extra


def _cancel(work: _Work, content: _Content, earlier: MessageRow | None) -> _Judged:
    """Take back: unsent copies are closed with this commit, and whoever got one gets the cancellation."""
    facts, relay = content.facts, work.relay
    extra = _extra(facts, Meaning.CANCEL, earlier)
    reached = list(_recipients_of(work, earlier))
    if earlier is None or not reached:
        code = "PN141" if earlier is None else "PN142"
        extra["found"] = "nothing" if earlier is None else "nobody"
        judged = _not_applicable(work, content, Meaning.CANCEL, (code,), extra=extra)
        return replace(judged, cancels=earlier.id if earlier else None)
    subject = decision.subject_of(facts, relay)
    deliveries = tuple(_cancellation(work, each, subject) for each in reached)
    fates = tuple(Fate(recipient=each.recipient, state=DeliveryState.QUEUED) for each in deliveries)
    return _Judged(
        state=advance_message(MessageState.RECEIVED, MessageEvent.ROUTED),
        issues=content.issues,
        content=content,
        meaning=Meaning.CANCEL,
        fates=tuple(replace(fate, reason=None) for fate in fates),
        deliveries=deliveries,
        audit=(work.record("cancel", MessageState.ACCEPTED.value, None, earlier=earlier.id),),
        cancels=earlier.id,
        extra=extra,
    )


def _recipients_of(work: _Work, earlier: MessageRow | None) -> Iterator[DeliveryRow]:
    """Each recipient that a notification has had, corrections included: its newest delivery."""
    seen: set[str] = set()
    while earlier is not None:
        for row in work.relay.store.deliveries(earlier.id):
            if row.kind is Kind.NOTIFICATION and row.recipient not in seen:
                seen.add(row.recipient)
                # Nothing was ever permitted to a recipient without a level: it has nothing to take back.
                if row.level is not None:
                    yield row
        earlier = work.relay.store.message(earlier.cancels) if earlier.cancels else None


def _cancellation(work: _Work, original: DeliveryRow, subject: str | None) -> NewDelivery:
    relay = work.relay
    return NewDelivery(
        id=relay.ids.new(),
        recipient=original.recipient,
        kind=Kind.CANCELLATION,
        state=DeliveryState.QUEUED,
        lane=lane(original.recipient, subject),
        level=original.level or Level.MINIMAL,
        reason=None,
        basis=original.basis,
        evidence=original.evidence,
        bundle_id=relay.ids.new(),
        header_id=relay.ids.new(),
        expires_at=work.at + relay.time_to_live,
    )


# A person assigns -----------------------------------------------------------------------------------------


def assign(message: str, recipient: str, relay: Relay, *, actor: str, evidence: str) -> Fate:
    """Give an unrouted message the recipient that a person found, and decide for it as for any other.

    `evidence`: what proves that the patient is in the recipient's care; without it nothing is assigned.

    Raises NotFound if there is no such message, Conflict (RT112) if it no longer waits, NotPermitted: RT110
    without evidence, RT103-RT105 for an organisation that cannot receive, CO109 for an employer, RT111 if no
    agreement covers it.
    """
    row = relay.store.message(message)
    if row.state is not MessageState.NEEDS_ROUTING or row.superseded_by is not None:
        raise Conflict("RT112", params={"state": row.state.value})
    found = _assignable(recipient, relay, evidence)
    facts, meaning = _stored(row, relay)
    at = relay.clock.now()
    decided = decision.ask(facts, meaning, found, relay, sender=row.sender, at=at)
    if isinstance(decided, NotEligible):
        raise NotPermitted("RT111", issues=[Issue("RT111"), *(Issue(code) for code in decided.reasons)])
    delivery = _assigned(found, decided, relay, row, at)
    detail = (("recipient", found.organisation), ("evidence", str(found.evidence)))
    record = AuditRecord(
        at=at,
        actor=actor,
        action="assign",
        object=f"message/{message}",
        outcome=delivery.state.value,
        reason=delivery.reason,
        detail=detail,
    )
    relay.store.assign(message, [delivery], [record])
    return _fate(found, decided)


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


def _assigned(
    recipient: Recipient, decided: Permit | Deny, relay: Relay, row: MessageRow, at: datetime
) -> NewDelivery:
    permit = decided if isinstance(decided, Permit) else None
    return NewDelivery(
        id=relay.ids.new(),
        recipient=recipient.organisation,
        kind=Kind.NOTIFICATION,
        state=DeliveryState.QUEUED if permit else DeliveryState.WITHHELD,
        lane=lane(recipient.organisation, row.subject),
        level=permit.level if permit else None,
        reason=decided.reason if isinstance(decided, Deny) else None,
        basis=permit.reference if permit else None,
        evidence=str(recipient.evidence),
        bundle_id=relay.ids.new(),
        header_id=relay.ids.new(),
        expires_at=at + relay.time_to_live,
    )


# Keys and digest ------------------------------------------------------------------------------------------


def _keys(facts: Notification, meaning: Meaning | None, generation: str, digest: str) -> Iterator[str]:
    """What makes a submission the same as an earlier one of the same sender.

    A notification is done once and cancelled once in each generation: other content under its id is a
    conflict. It may be planned anew and corrected as often as its sender likes: there only the same content
    is the same.
    """
    if facts.identifier and meaning in (Meaning.DONE, Meaning.CANCEL) and not _is_correction(facts, meaning):
        yield f"notification:{meaning}:{generation}:{facts.identifier}"
    elif facts.identifier and meaning is not None:
        yield f"notification:{meaning}:{generation}:{facts.identifier}:{digest}"
    if facts.message_identifier:
        yield f"message:{facts.message_identifier}"
    if facts.bundle_id:
        yield f"bundle:{facts.bundle_id}"
    if facts.header_id:
        yield f"header:{facts.header_id}"


def _digest(bundle: Element) -> str:
    """Return the SHA-256 of what a message says, hex: without its ids, times of sending and addresses."""
    names: dict[str, str] = {}
    for number, entry in enumerate(children(bundle, "entry")):
        url = text(entry, "fullUrl")
        if url:
            names[url] = f"#{number}"
    said = [
        _said(child(entry, "resource"), names)
        for entry in children(bundle, "entry")
        if child(entry, "resource").get("resourceType") != "Provenance"
    ]
    written = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(written.encode()).hexdigest()


_NOT_SAID = {"MessageHeader": ("id", "meta", "text"), "Communication": ("id", "meta", "text", "sent")}


def _said(resource: Element, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    left_out = _NOT_SAID.get(str(resource.get("resourceType")), ("id", "meta", "text"))
    return {key: _renamed(value, names) for key, value in resource.items() if key not in left_out}


def _renamed(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            key: names.get(each, each)
            if key == "reference" and isinstance(each, str)
            else _renamed(each, names)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return value


def _written(lineage: Lineage | None) -> bytes | None:
    return json.dumps(lineage.as_json(), ensure_ascii=False).encode() if lineage is not None else None


def _first_code(issues: Iterable[Issue]) -> str | None:
    ordered = sorted(issues, key=lambda issue: not issue.is_error)
    return ordered[0].code if ordered else None
