"""A notification taken back: unsent copies are closed, and whoever got one gets the cancellation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.relay import decision
from adapter.relay.intake.decided import cancellation_of
from adapter.relay.intake.ends import not_applicable
from adapter.relay.intake.succession import kept_for_later
from adapter.relay.intake.work import Judged
from adapter.relay.message import (
    MESSAGE_TRANSITIONS,
    DeliveryState,
    Fate,
    Kind,
    Meaning,
    MessageEvent,
    MessageState,
)
from adapter.relay.transitions import advance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.relay.deployment import Relay
    from adapter.relay.intake.reader import Content
    from adapter.relay.intake.work import Work
    from adapter.relay.store.values import DeliveryRow, MessageRow


def cancel(work: Work, content: Content, earlier: MessageRow | None) -> Judged:
    """Take back what `earlier` and those before it have told; nothing to take back is told to the sender."""
    facts, relay = content.facts, work.relay
    extra = kept_for_later(facts, Meaning.CANCEL, earlier)
    reached = list(_reached(relay, earlier))
    if earlier is None or not reached:
        code = "PN141" if earlier is None else "PN142"
        extra["found"] = "nothing" if earlier is None else "nobody"
        judged = not_applicable(work, content, Meaning.CANCEL, (code,), extra=extra)
        return replace(judged, cancels=earlier.id if earlier else None)
    subject = decision.subject_of(facts, relay)
    return Judged(
        state=advance(MESSAGE_TRANSITIONS, MessageState.RECEIVED, MessageEvent.ROUTED),
        issues=content.issues,
        content=content,
        meaning=Meaning.CANCEL,
        fates=tuple(Fate(recipient=each.recipient, state=DeliveryState.QUEUED) for each in reached),
        deliveries=tuple(cancellation_of(each, relay, subject=subject, at=work.at) for each in reached),
        audit=(work.record("cancel", MessageState.ACCEPTED.value, None, earlier=earlier.id),),
        cancels=earlier.id,
        extra=extra,
    )


def _reached(relay: Relay, earlier: MessageRow | None) -> Iterator[DeliveryRow]:
    """Each recipient that a notification has had, corrections included: its newest delivery."""
    seen: set[str] = set()
    while earlier is not None:
        for row in relay.store.deliveries(earlier.id):
            if row.kind is Kind.NOTIFICATION and row.recipient not in seen:
                seen.add(row.recipient)
                # Nothing was ever permitted to a recipient without a level: it has nothing to take back.
                if row.level is not None:
                    yield row
        earlier = relay.store.message(earlier.cancels) if earlier.cancels else None
