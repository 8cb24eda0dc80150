"""Versions of a plan: an update says which version its author had, and two updates of one version are seen.

A plan is worked on by several organisations, so its versions form one line whoever sent them. An update that
is based on an earlier version than the newest would undo what its author has not seen: it is refused with
409 and kept beside the newest, and people bring the two together.

Only who sent a version of the plan, or has had one, is held against the others' versions. To anybody else a
plan of the same id is one of their own, or its sender would learn by a refusal that the person has a plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.relay import decision
from adapter.relay.intake.succession import kept_for_later
from adapter.relay.intake.work import Judged
from adapter.relay.message import Behind, Meaning, MessageState, PlanHead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter.relay.deployment import Relay
    from adapter.relay.intake.reader import Content
    from adapter.relay.intake.work import Work
    from adapter.relay.notification import Notification
    from adapter.relay.store.values import MessageRow

STALE = "PN161"
"""Based on another version than the newest."""
KNOWN = "PN162"
"""This version is here already, with other content."""


def find_behind(work: Work, facts: Notification, meaning: Meaning) -> Behind | None:
    """Return the version that the author of a plan has not seen, and remember which was the newest."""
    if facts.identifier is None or meaning is Meaning.CANCEL:
        return None
    subject = decision.subject_of(facts, work.relay)
    every = work.relay.store.plan_versions(facts.identifier, subject)
    work.head = PlanHead(plan=facts.identifier, subject=subject, newest=every[-1].id if every else None)
    shared = in_force(every)
    if not shared or not _is_party(work.submission.sender, every, work.relay):
        return None
    return behind(facts, shared)


def in_force(versions: Sequence[MessageRow]) -> list[MessageRow]:
    """Return the versions that their senders have not taken back, oldest first."""
    return [
        each
        for number, each in enumerate(versions)
        if each.meaning is not Meaning.CANCEL
        and not any(
            later.meaning is Meaning.CANCEL and later.sender == each.sender for later in versions[number:]
        )
    ]


def behind(facts: Notification, versions: Sequence[MessageRow]) -> Behind | None:
    """Return which of the versions of a plan, oldest first, a message did not reckon with; None if none.

    A version without a number cannot be based upon: what comes after it names none or is refused.
    """
    newest = versions[-1]
    is_known = facts.version is not None and any(
        each.extra.get("version") == facts.version for each in versions
    )
    if facts.base != newest.extra.get("version") and not (is_known and facts.base is None):
        return Behind(message=newest.id, code=STALE, at=f"{facts.at}.replaces")
    if is_known:
        return Behind(message=newest.id, code=KNOWN, at=f"{facts.at}.meta.versionId")
    return None


def _is_party(sender: str, versions: Sequence[MessageRow], relay: Relay) -> bool:
    """Whether the sender has sent a version of the plan, or got one."""
    party = decision.ground_of(relay).directory.party(sender)
    keys = party.keys if party else (sender,)
    if any(each.sender in keys for each in versions):
        return True
    told = (one for each in versions for one in relay.store.deliveries(each.id))
    return any(one.recipient in keys and one.level is not None for one in told)


def stale(
    work: Work, content: Content, meaning: Meaning, earlier: MessageRow | None, newest: Behind
) -> Judged:
    """Refuse a version whose author had not seen the newest; a repeat of what is known stays one."""
    return Judged(
        state=MessageState.RECEIVED,
        status=409,
        issues=content.issues,
        content=content,
        meaning=meaning,
        behind=newest,
        extra=kept_for_later(content.facts, meaning, earlier),
    )
