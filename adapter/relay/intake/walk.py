"""Intake: one submission in, one answer out, and everything committed before the answer.

Read and map, ask what the event means, validate, find the recipients, decide for each, then one transaction
with message, deliveries, audit and answer. What cannot be read, is not valid or is not for the relay commits
too, with its findings: nothing that was handed to us is ever in no state at all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.errors import Conflict, ContentError, TooCostly
from adapter.outcome import Issue, has_errors, shortened
from adapter.relay import answer, decision, event, feedback, notification
from adapter.relay.artefact import Artefact
from adapter.relay.intake.cancel import cancel
from adapter.relay.intake.consents import NOTHING, brought_by
from adapter.relay.intake.ends import invalid, not_applicable
from adapter.relay.intake.feedback import take
from adapter.relay.intake.later import send_later
from adapter.relay.intake.notify import notify
from adapter.relay.intake.plan_version import find_behind, stale
from adapter.relay.intake.reading import named, read, source_of
from adapter.relay.intake.succession import find_earlier
from adapter.relay.intake.work import Judged, Work
from adapter.relay.message import MESSAGE_TRANSITIONS, Meaning, MessageEvent, MessageState
from adapter.relay.source import FHIR_SOURCE
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter.relay.deployment import Relay
    from adapter.relay.intake.reader import Content
    from adapter.relay.message import Answer, Submission
    from adapter.relay.notification import Notification
    from adapter.relay.source import Source


def accept(submission: Submission, relay: Relay, wanted: Sequence[str] = ()) -> Answer:
    """Take one submission in and say what becomes of it.

    `wanted`: media types the caller accepts for the answer, the best first; empty for any. The answer is
    committed with everything it tells of; the same submission again gets the same bytes. 400 for what cannot
    be read, 422 for what is not valid (with every finding), 409 for other content under a known id, 200 for
    all else, with one issue for each recipient; to an asynchronous submission an empty 202 before the answer.

    Raises NotFound (PN140) for a source that is not the caller's, StoreError if nothing could be committed.
    """
    source = source_of(submission, relay)
    style = answer.style_for(source.format, wanted, is_message=submission.source == FHIR_SOURCE)
    style = replace(style, is_later=submission.is_asynchronous)
    known = relay.store.answer_to(submission.sender, source=submission.source, body=submission.body)
    done = known or _committed(Work(submission, relay, source, style))
    return send_later(done, submission, relay) if submission.is_asynchronous else done


def _committed(work: Work) -> Answer:
    """Decide and commit; decide again if a message about the same notification was committed in between.

    Without that a notification and its cancellation, handed in at the same moment, would not know of each
    other. Every repeat means that another submission went through, so it ends.
    """
    while True:
        work.looked_up = work.head = None
        work.brought = NOTHING
        judged = _judge(work)
        try:
            done = _commit(work, judged)
        except Conflict as conflict:
            return _conflicting(work, judged, conflict.issue)
        if done is not None:
            return _addressed(done, work, judged)


def _addressed(done: Answer, work: Work, judged: Judged) -> Answer:
    """An answer that was stored for an earlier message of other ids goes to this one's."""
    if done.message == work.message or judged.content is None or work.source.format != "fhir":
        return done
    return answer.addressed(done, judged.content.facts.header_id)


def _commit(work: Work, judged: Judged) -> Answer | None:
    """Commit; None if what was decided on is no longer how it stands.

    Raises Conflict for other content under a known id, and for a plan whose author had not seen the newest
    version; the content is kept.
    """
    store, intake = work.relay.store, work.intake(judged)
    if judged.behind is not None:
        return store.commit_conflict(intake, judged.behind)
    if work.head is not None:
        newest = work.looked_up.newest if work.looked_up is not None else None
        return store.commit_plan(intake, newest, work.head)
    if judged.step is not None:
        return store.commit_reply(intake, judged.step)
    if work.looked_up is None:
        return store.commit_intake(intake)
    return store.commit_intake_after(intake, work.looked_up.newest)


def _conflicting(work: Work, judged: Judged, issue: Issue) -> Answer:
    """Other content under a known id: the sender is told which, and the content is kept beside the first."""
    if judged.behind is not None:
        # The newest version may be somebody else's: nothing of it is told.
        issue = replace(issue, params={})
    issues = (issue,) if judged.content is None else named(work, judged.content, (issue,))[0]
    return work.answer(replace(judged, status=409, issues=issues, fates=()))


def _judge(work: Work) -> Judged:
    """Walk a submission through reading, meaning and validation to what becomes of it."""
    try:
        content = read(work)
    except ContentError as fault:
        status = 413 if isinstance(fault, TooCostly) else 400
        return Judged(
            state=advance(MESSAGE_TRANSITIONS, MessageState.RECEIVED, MessageEvent.NOT_READ),
            status=status,
            issues=tuple(fault.issues),
            audit=(work.record("read", "unreadable", fault.code),),
        )
    work.brought = brought_by(content, work.source, work.relay)
    if feedback.is_one(content.facts.event):
        return take(work, content, _issues_of_reply(work, content))
    meaning = content.meaning
    if meaning is None:
        why = () if content.unsupported is None else (content.unsupported,)
        return invalid(work, content, None, (*why, *content.issues))
    if meaning in event.NOT_RELAYED_BECAUSE:
        return not_applicable(work, content, meaning, (event.NOT_RELAYED_BECAUSE[meaning],))
    issues = _issues(work, content, meaning)
    if has_errors(issues):
        return invalid(work, content, meaning, issues)
    content = replace(content, issues=issues)
    earlier = find_earlier(work, content.facts)
    if earlier is not None and earlier.subject != decision.subject_of(content.facts, work.relay):
        # The same notification about another person: neither may speak for the other.
        return invalid(work, content, meaning, (*issues, Issue("PN144", at="Bundle.entry.resource")))
    if content.facts.artefact is Artefact.PLAN:
        behind = find_behind(work, content.facts, meaning)
        if behind is not None:
            return stale(work, content, meaning, earlier, behind)
    if meaning is Meaning.CANCEL:
        return cancel(work, content, earlier)
    return notify(work, content, meaning, earlier)


def _issues(work: Work, content: Content, meaning: Meaning) -> tuple[Issue, ...]:
    """Every finding: of the map, of the profile, and of what the content contradicts."""
    relay = work.relay
    found = [
        *content.issues,
        *content.found,
        *notification.faults(
            content.facts, meaning, relay.mode, now=work.at, zone=relay.zone, oldest=relay.oldest
        ),
        *_other_sender(work, content.facts),
    ]
    return tuple(shortened(list(_of_the_mark(found, work.source))))


def _issues_of_reply(work: Work, content: Content) -> tuple[Issue, ...]:
    """Every finding on a business reply: of the map, of its profile, and of identity and mode."""
    relay = work.relay
    found = [
        *content.issues,
        *content.found,
        *notification.identity_faults(content.facts, relay.mode),
        *_other_sender(work, content.facts),
    ]
    return tuple(shortened(list(_of_the_mark(found, work.source))))


def _other_sender(work: Work, facts: Notification) -> Iterator[Issue]:
    """The caller's credentials say who sends; a message that says otherwise is told so.

    One that speaks in the name of another organisation we know is not taken: its recipients would believe
    what stands in their copy.
    """
    directory, caller = decision.ground_of(work.relay).directory, work.submission.sender
    party = directory.party(caller)
    if facts.sender is None or facts.sender in (party.keys if party else (caller,)):
        return
    named = directory.party(facts.sender)
    is_ours = named is None or named.part_of in (party.keys if party else (caller,))
    yield Issue("PN146" if is_ours else "PN147", at="Bundle.entry[0].resource.sender")


TEST_MARK = {"hl7v2": "MSH-11", "fhir": None}
"""Where a format marks a test: in a field of its own, or as FHIR does. The others have no mark."""


def _of_the_mark(found: Iterable[Issue], source: Source) -> Iterator[Issue]:
    """A missing mark has no place that it came from; formats without one say nothing by lacking it."""
    for issue in found:
        if issue.code != "PN111":
            yield issue
        elif source.format in TEST_MARK:
            yield replace(issue, source_field=TEST_MARK[source.format])
