"""The three artefacts that are relayed, and what each message calls its own.

An event says which artefact a message carries; a correction or a cancellation says it by what its header is
focused on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.fhir.canonical import profile
from adapter.relay import event
from adapter.relay.element import child, children, text

if TYPE_CHECKING:
    from adapter.relay.element import Element
    from adapter.relay.message_bundle import Message


class Artefact(StrEnum):
    """What a message tells of a person."""

    NOTIFICATION = "notification"
    ASSESSMENT = "assessment"
    PLAN = "plan"


EVENT_OF: dict[Artefact, str] = {Artefact.ASSESSMENT: event.ASSESSMENT, Artefact.PLAN: event.CLIENT_PLAN}
"""What rules and agreements call an artefact, its corrections and cancellations included; a notification goes
by the event of its message."""

FOCUS_OF: dict[Artefact, str] = {
    Artefact.NOTIFICATION: "Communication",
    Artefact.ASSESSMENT: "Observation",
    Artefact.PLAN: "CarePlan",
}
"""Type of the resource that the header is focused on: what the artefact is identified by."""

_OF_EVENT = {
    **dict.fromkeys(
        (
            event.PROCEDURE_NOTIFICATION,
            event.CARE_EPISODE_NOTIFICATION,
            event.WORK_ABILITY_REFERRAL,
            event.CORRECTION,
            event.CANCEL,
        ),
        Artefact.NOTIFICATION,
    ),
    **{name: artefact for artefact, name in EVENT_OF.items()},
}

MESSAGE_PROFILE: dict[Artefact, str] = {
    Artefact.NOTIFICATION: profile("notification-message"),
    Artefact.ASSESSMENT: profile("assessment-message"),
    Artefact.PLAN: profile("client-plan-message"),
}


def artefact_of_event(name: str) -> Artefact | None:
    """Return what a code of our message-event system is about; None for one that tells nothing."""
    return _OF_EVENT.get(name)


def artefact_of(message: Message) -> Artefact:
    """Return which artefact a message carries; a notification where nothing says otherwise."""
    header = message.first("MessageHeader")
    name = text(child(header, "eventCoding"), "code")
    for artefact, named in EVENT_OF.items():
        if name == named:
            return artefact
    if name not in (event.CORRECTION, event.CANCEL):
        return Artefact.NOTIFICATION
    kinds = {message.resolve(each).get("resourceType") for each in children(header, "focus")}
    return next((each for each in EVENT_OF if FOCUS_OF[each] in kinds), Artefact.NOTIFICATION)


def focus_of(message: Message, artefact: Artefact) -> tuple[str, Element]:
    """Return what a message is about, with its FHIRPath: of its kind what the header is focused on.

    A notification has one Communication, focused on or not. Empty, at `Bundle`, where there is none.
    """
    found = list(message.of(FOCUS_OF[artefact]))
    if artefact is not Artefact.NOTIFICATION:
        focused = [message.resolve(each) for each in children(message.first("MessageHeader"), "focus")]
        found = [(at, each) for at, each in found if any(each is one for one in focused)]
    return found[0] if found else ("Bundle", {})
