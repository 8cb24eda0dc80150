"""The earlier message about the same notification: what a correction replaces and what comes too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.relay import event
from adapter.relay.element import moment_of
from adapter.relay.intake.sameness import is_correction
from adapter.relay.intake.work import LookedUp, Work
from adapter.relay.message import Meaning

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from adapter.relay.notification import Notification
    from adapter.relay.store.values import MessageRow


def find_earlier(work: Work, facts: Notification) -> MessageRow | None:
    """Return the newest message of this sender about the same notification, and remember having asked."""
    if facts.identifier is None:
        return None
    found = work.relay.store.find_message(work.submission.sender, facts.identifier)
    work.looked_up = LookedUp(found.id if found is not None else None)
    return found


def superseded(facts: Notification, meaning: Meaning, earlier: MessageRow | None) -> str | None:
    """Return the message that this one replaces: a correction any, any other the one that planned it."""
    if earlier is None or earlier.meaning is Meaning.CANCEL:
        return None
    return earlier.id if is_correction(facts, meaning) or earlier.meaning is Meaning.PLANNED else None


def overtaken(
    facts: Notification, meaning: Meaning, earlier: MessageRow | None, zone: ZoneInfo
) -> str | None:
    """Return why a message comes too late: what cancels or corrects it was sent later and came before."""
    if earlier is None:
        return None
    sent, later = moment_of(facts.sent, zone), moment_of(earlier.extra.get("sent"), zone)
    if sent is None or later is None or sent > later:
        return None
    if earlier.meaning is Meaning.CANCEL and earlier.extra.get("found") == "nothing":
        return "PN143"
    if earlier.extra.get("overtaken"):
        return earlier.extra["overtaken"]
    was_corrected = _was_correction(earlier) and not is_correction(facts, meaning)
    return "PN145" if was_corrected else None


def _was_correction(earlier: MessageRow) -> bool:
    return earlier.event == event.CORRECTION or (
        earlier.event == event.ASSESSMENT and earlier.meaning is Meaning.UPDATE
    )


def kept_for_later(facts: Notification, meaning: Meaning, earlier: MessageRow | None) -> dict[str, str]:
    """Return what later messages of the same notification need to know of this one.

    The generation grows when a notification comes again after its cancellation, so that the second is not
    taken for a repeat of the first.
    """
    extra = {"sent": facts.sent or ""}
    if earlier is None:
        return extra
    is_again = earlier.meaning is Meaning.CANCEL and meaning is not Meaning.CANCEL
    extra["generation"] = earlier.id if is_again else earlier.extra.get("generation", "")
    return extra
