"""A person recalls: a copy that went to the wrong recipient is taken back from that one alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.relay.intake.decided import cancellation_of

if TYPE_CHECKING:
    from adapter.relay.deployment import Relay
    from adapter.relay.message import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What became of a copy that was recalled."""

    delivery: str
    state: DeliveryState
    recall: str | None
    """Id of the cancellation that goes to the recipient; None where nothing had left or nothing can go."""
    reached: bool
    """True if the recipient may have seen it: without a cancellation somebody has to phone."""


def recall(delivery: str, relay: Relay, *, actor: str, reason: str) -> Recalled:
    """Stop a copy and take back what may have arrived: by a cancellation, and with a report to the sender.

    The cancellation names the person and the notification and repeats nothing of it. Other recipients of the
    message keep theirs.

    Raises NotFound if there is no such delivery, Conflict (DL124) if it cannot be recalled.
    """
    row = relay.store.delivery(delivery)
    subject = relay.store.message(row.message).subject
    new = cancellation_of(row, relay, subject=subject, at=relay.clock.now())
    told = relay.store.recall(delivery, new, actor=actor, reason=reason)
    after = relay.store.delivery(delivery)
    return Recalled(delivery=delivery, state=after.state, recall=told, reached=after.reached)
