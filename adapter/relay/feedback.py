"""Business replies: what occupational health answers, read, and the copy of it that the hospital gets.

The copy is written anew from what was read: the answer, dates, who continues, whom to call. At the minimal
level nothing else goes; at the clinical level the free text of the reply too. R4 Communication.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import URI, code_system, profile
from adapter.relay import event
from adapter.relay.bundling import instant, message_bundle
from adapter.relay.case import CaseEvent
from adapter.relay.disclosure import CATEGORY, CONTACT_POINT, House, identifier_of
from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Level, Mode
from adapter.relay.message_bundle import Message

if TYPE_CHECKING:
    from datetime import datetime

    from adapter.relay.element import Element

Resource = dict[str, Any]

BUSINESS_REPLY = code_system("business-reply")
_REPLY, _CONTINUES = profile("business-reply"), profile("continues-by")
DATES = {profile(each): "valueDate" for each in ("review-date", "return-date", "contacted-on")}
PERCENTAGE = profile("return-percentage")
MESSAGE_PROFILE = profile("feedback-message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The facts of one reply."""

    at: str
    """FHIRPath of the Communication."""
    event: str
    """Code of our message-event system."""
    reply: CaseEvent | None
    answers: frozenset[str]
    """What it says it answers: `system|value` of notifications, and the id of a message header."""
    continues: str | None
    """Key of the organisation that decides on the sick leave from now on."""
    dates: tuple[Resource, ...]
    """Extensions with the review date, return date and percentage, as they go on."""
    contact: Resource | None
    """ContactPoint to call."""
    texts: tuple[str, ...]
    sent: str | None
    identifier: str | None
    """The reply's own id, `system|value`."""
    patient: Resource
    """What recognises the person: the official identifier and the name."""


def is_one(event_code: str | None) -> bool:
    """Return True if a message of this event is a business reply."""
    return event_code in event.REPLIES


def read(bundle: Element) -> Feedback:
    """Read a reply; what is missing is absent, because the profile says what must be there."""
    message = Message(bundle)
    at, communication = next(message.of("Communication"), ("Bundle", {}))
    header = message.first("MessageHeader")
    extensions = {text(each, "url"): each for each in children(communication, "extension")}
    said = [
        code
        for system, code in codes(child(extensions.get(_REPLY, {}), "valueCodeableConcept"))
        if system == BUSINESS_REPLY
    ]
    return Feedback(
        at=at,
        event=text(child(header, "eventCoding"), "code") or event.FEEDBACK,
        reply=CaseEvent(said[0]) if said and said[0] in list(CaseEvent) else None,
        answers=frozenset(_answers(message, communication, header)),
        continues=message.organisation(child(extensions.get(_CONTINUES, {}), "valueReference")),
        dates=tuple(_dates(extensions)),
        contact=_contact(child(extensions.get(CONTACT_POINT, {}), "valueContactPoint")),
        texts=tuple(
            found for each in children(communication, "payload") if (found := text(each, "contentString"))
        ),
        sent=text(communication, "sent"),
        identifier=next(
            (_written(each) for each in children(communication, "identifier") if _written(each)), None
        ),
        patient=person_of(message.first("Patient")),
    )


def _answers(message: Message, communication: Element, header: Element) -> list[str]:
    found = [_written(child(each, "identifier")) for each in children(communication, "inResponseTo")]
    for each in children(communication, "inResponseTo"):
        found += [_written(one) for one in children(message.resolve(each), "identifier")]
    response = text(child(header, "response"), "identifier")
    return [one for one in (*found, response.removeprefix("urn:uuid:") if response else None) if one]


def _written(identifier: Element) -> str | None:
    system, value = text(identifier, "system"), text(identifier, "value")
    return f"{system}|{value}" if system and value else value


def _dates(extensions: dict[str | None, Element]) -> list[Resource]:
    found: list[Resource] = [
        {"url": url, name: extensions[url][name]}
        for url, name in DATES.items()
        if isinstance(extensions.get(url, {}).get(name), str)
    ]
    percentage = extensions.get(PERCENTAGE, {}).get("valueInteger")
    if isinstance(percentage, int):
        found.append({"url": PERCENTAGE, "valueInteger": percentage})
    return found


def _contact(contact: Element) -> Resource | None:
    found = {name: contact[name] for name in ("system", "value", "use") if isinstance(contact.get(name), str)}
    return found if "value" in found else None


def person_of(patient: Element) -> Resource:
    """Return what recognises the person of a message: the official or only identifier, and the name."""
    identifiers = list(children(patient, "identifier"))
    official = [each for each in identifiers if text(each, "use") == "official"]
    chosen = (official or identifiers)[:1]
    return {
        "resourceType": "Patient",
        "meta": {"profile": [profile("notified-patient")]},
        "identifier": [_kept(each, "use", "type", "system", "value") for each in chosen],
        "name": [_kept(each, "use", "text", "family", "given") for each in children(patient, "name")][:1],
    }


def _kept(element: Element, *names: str) -> Resource:
    return {name: element[name] for name in names if name in element}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """From whom to whom the copy of a reply goes, under which ids."""

    bundle_id: str
    header_id: str
    notification: str
    """The hospital's own id of its notification, `system|value`."""
    sender: House
    recipient: House
    continues: House | None
    endpoint: str
    address: str
    name: str
    mode: Mode
    at: datetime


def copy_for(feedback: Feedback, level: Level, cover: Cover) -> Resource:
    """Build the message that the hospital gets. The same arguments give the same copy."""
    space = uuid.UUID(cover.bundle_id)

    def url(kind: str) -> str:
        return f"urn:uuid:{uuid.uuid5(space, kind)}"

    communication, sender, recipient, patient = map(url, ("Communication", "Sender", "Recipient", "Patient"))
    parties = {sender: cover.sender, recipient: cover.recipient}
    continues = None
    if cover.continues is not None:
        known = (place for place, house in parties.items() if house.key == cover.continues.key)
        continues = next(known, url("Continues"))
        parties[continues] = cover.continues
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"system": event.MESSAGE_EVENT, "code": feedback.event},
        "destination": [{"endpoint": cover.endpoint, "receiver": {"reference": recipient}}],
        "sender": {"reference": sender},
        "source": {"name": cover.name, "endpoint": cover.address},
        "focus": [{"reference": communication}],
    }
    entries = {
        f"urn:uuid:{cover.header_id}": header,
        communication: _communication(feedback, level, cover, (sender, recipient, patient, continues)),
        patient: feedback.patient,
        **{place: _organisation(house) for place, house in parties.items()},
    }
    return message_bundle(
        entries.items(), cover.bundle_id, made_for=MESSAGE_PROFILE, mode=cover.mode, at=cover.at
    )


def _communication(
    feedback: Feedback, level: Level, cover: Cover, places: tuple[str, str, str, str | None]
) -> Resource:
    sender, recipient, patient, continues = places
    extensions: list[Resource] = []
    if feedback.reply is not None:
        coding = {"system": BUSINESS_REPLY, "code": feedback.reply.value}
        extensions.append({"url": _REPLY, "valueCodeableConcept": {"coding": [coding]}})
    if continues is not None:
        extensions.append({"url": _CONTINUES, "valueReference": {"reference": continues}})
    extensions += feedback.dates
    if feedback.contact is not None:
        extensions.append({"url": CONTACT_POINT, "valueContactPoint": feedback.contact})
    system, _, value = cover.notification.rpartition("|")
    found: Resource = {
        "resourceType": "Communication",
        "meta": {"profile": [profile("feedback")]},
        "extension": extensions,
        "identifier": [
            {"system": URI, "value": f"urn:uuid:{uuid.uuid5(uuid.UUID(cover.bundle_id), 'reply')}"}
        ],
        "inResponseTo": [
            {
                "type": "Communication",
                "identifier": {**({"system": system} if system else {}), "value": value},
            }
        ],
        "status": "completed",
        "category": [{"coding": [{"system": CATEGORY, "code": "feedback"}]}],
        "subject": {"reference": patient},
        "sent": feedback.sent or instant(cover.at),
        "recipient": [{"reference": recipient}],
        "sender": {"reference": sender},
    }
    if level is Level.CLINICAL and feedback.texts:
        found["payload"] = [{"contentString": each} for each in feedback.texts]
    return found


def _organisation(house: House) -> Resource:
    return {
        "resourceType": "Organization",
        "meta": {"profile": [profile("party")]},
        "identifier": [identifier_of(house.key)],
        **({"name": house.name} if house.name else {}),
    }
