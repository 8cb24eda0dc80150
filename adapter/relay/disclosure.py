"""Disclosure: one recipient's copy of a notification, built from a list of what goes.

The list is a table, `tables/disclosure.csv`: for each type and element whether the minimal and the clinical
level carry it, in which shape, and whether a protected address (turvakielto) takes it out again. What is not
in the table does not go: unknown elements, extensions, contained resources, resources of other types. Nothing
is removed from the sender's message; a new one is built and the listed elements are copied into it.

Header, sender, recipient, narrative and provenance are the relay's own and never copied. So are all ids: they
are derived from the two ids the copy is given, and say nothing of the sender's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import URI, code_system, profile
from adapter.relay import event, narrative
from adapter.relay.allow_list import Listed, Picker, Urls, rows_of
from adapter.relay.artefact import MESSAGE_PROFILE, Artefact
from adapter.relay.bundling import instant, message_bundle
from adapter.relay.custody import version_of
from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Level, Meaning, Mode
from adapter.relay.message_bundle import Message
from adapter.relay.notification import (
    ACT_REASON,
    BASIS,
    CONTENT_LEVEL,
    DISCLOSURE_BASIS,
    SICK_LEAVE,
    TURVAKIELTO,
)
from adapter.relay.referral import is_put_to_others

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from adapter.outcome import Language
    from adapter.relay.element import Element

Resource = dict[str, Any]

CATEGORY = code_system("communication-category")
CORE_CATEGORY = ("http://terminology.hl7.org/CodeSystem/communication-category", "notification")
CONTACT_POINT = profile("contact-point")
REGISTER = "urn:oid:1.2.246.537.6.202"
"""Identifier.system of the SOTE organisation register, the spelling we write."""
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

CONTENT = ("Patient", "Procedure", "Condition", "Observation", "ServiceRequest")
"""Types of which resources are copied, in the order they stand in a copy. Patient comes once."""


# The table ------------------------------------------------------------------------------------------------


@cache
def allow_list() -> tuple[Listed, ...]:
    """Return the table."""
    return tuple(
        Listed(
            type=row["type"],
            element=row["element"],
            shape=row["shape"],
            levels=frozenset(level for level in Level if row[level.value] == "x"),
            goes_under_turvakielto=row["turvakielto"] != "drop",
            only=frozenset(row["only"].split()),
            note=row["note"],
        )
        for row in rows_of("disclosure.csv")
    )


@cache
def _lines(kind: str, level: Level) -> tuple[Listed, ...]:
    return tuple(line for line in allow_list() if line.type == kind and level in line.levels)


# What a copy is made with ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """An organisation as a copy names it: from the directory, never from the message."""

    key: str
    name: str | None
    phone: str | None = None
    """Its switchboard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Everything of a copy that is not the sender's content."""

    bundle_id: str
    header_id: str
    """Ids of the copy, UUIDs without `urn:uuid:`; fixed once, the same in every repeat."""
    notification_id: str
    """A UUID that this notification has towards every recipient, in corrections and cancellation too."""
    message_id: str
    """Id of the message here, which Provenance names as the source."""
    event: str
    """The message's own event, code of our message-event system."""
    meaning: Meaning
    sender: House
    recipient: House
    endpoint: str
    """Address of the recipient."""
    address: str
    """Address of this adapter."""
    name: str
    """Name of this adapter."""
    basis: str | None
    """Code of our disclosure-basis system; None for a cancellation, which discloses nothing new."""
    purpose: str | None
    """Purpose of use, v3-ActReason."""
    mode: Mode
    language: Language
    at: datetime
    """When the copy is made."""


def copy_for(bundle: Element, level: Level, envelope: Envelope) -> Resource:
    """Build one recipient's copy of a message Bundle.

    The same arguments give the same copy. `bundle` is not changed. A cancellation carries the person and
    which notification is taken back, nothing of what it said. R4 Bundle (message), MessageHeader, Provenance.
    """
    message = Message(bundle)
    is_cancel = envelope.meaning is Meaning.CANCEL
    urls, chosen = _placed(message, level, envelope)
    under_turvakielto = TURVAKIELTO in labels(message)
    pick = Picker(message, lambda kind: _lines(kind, level), urls, under_turvakielto=under_turvakielto)
    content = [(urls.of(each), _completed(pick.resource(kind, each), level, urls)) for kind, each in chosen]
    communication = _communication(message, level, envelope, pick, urls)
    communication["text"] = narrative.of_notification(
        [communication, *(resource for _, resource in content)],
        narrative.Told(
            language=envelope.language,
            level=level,
            meaning=envelope.meaning,
            is_correction=envelope.event == event.CORRECTION or envelope.meaning is Meaning.UPDATE,
            sender=envelope.sender.name,
            basis=envelope.basis,
            is_protected=under_turvakielto,
        ),
    )
    released = None if is_cancel else released_on(message, pick)
    entries = [
        (f"urn:uuid:{envelope.header_id}", _header(level, envelope, urls)),
        (urls.communication, communication),
        *content,
        (urls.sender, organisation(envelope.sender, "hospital")),
        (urls.recipient, organisation(envelope.recipient, None)),
        (urls.provenance, provenance(envelope, urls.communication, urls.sender, released)),
    ]
    return message_bundle(
        entries,
        envelope.bundle_id,
        made_for=MESSAGE_PROFILE[Artefact.NOTIFICATION],
        mode=envelope.mode,
        at=envelope.at,
        under_turvakielto=under_turvakielto,
    )


def versions_of(bundle: Element, level: Level, envelope: Envelope) -> dict[str, str]:
    """Return the version of the sender's resource that each of the copy is made of, by id in the copy."""
    message = Message(bundle)
    urls, chosen = _placed(message, level, envelope)
    made_of = {urls.of(each): each for _, each in chosen}
    if envelope.meaning is not Meaning.CANCEL:
        made_of[urls.communication] = message.first("Communication")
    return versions(made_of)


def versions(made_of: Mapping[str, Element]) -> dict[str, str]:
    """Return the versions of the resources that say one, by id. `made_of`: by address in the copy."""
    found = {url.removeprefix("urn:uuid:"): version_of(each) for url, each in made_of.items()}
    return {id: version for id, version in found.items() if version}


# What is taken over ---------------------------------------------------------------------------------------


def _placed(message: Message, level: Level, envelope: Envelope) -> tuple[_Urls, list[tuple[str, Element]]]:
    """The resources that are copied from, each with its address in the copy."""
    chosen = list(_chosen(message, level, is_cancel=envelope.meaning is Meaning.CANCEL))
    urls = _Urls(envelope.bundle_id)
    for _, resource in chosen:
        urls.give(resource)
    return urls, chosen


def _chosen(message: Message, level: Level, *, is_cancel: bool) -> Iterator[tuple[str, Element]]:
    """The resources of the message that may be copied from, the person first."""
    for kind in (each for each in CONTENT if _lines(each, level)):
        for _, resource in message.of(kind):
            if kind == "Patient" or (not is_cancel and _is_ours(message, kind, resource)):
                yield kind, resource
            if kind == "Patient":
                break


def _is_ours(message: Message, kind: str, resource: Element) -> bool:
    """Of Observations only the sick leave, of ServiceRequests only those put to occupational health.

    The referral that came in was put to the hospital, whatever it asks.
    """
    found = list(codes(child(resource, "code")))
    if kind == "Observation":
        return SICK_LEAVE in found
    if kind == "ServiceRequest":
        return is_put_to_others(message, resource)
    return True


def labels(message: Message) -> set[tuple[str, str]]:
    """Return every security label of a message, wherever it stands."""
    resources = (message.bundle, *(each for _, each in message.entries))
    return {
        (text(coding, "system") or "", text(coding, "code") or "")
        for resource in resources
        for coding in children(child(resource, "meta"), "security")
    }


class _Urls(Urls):
    """Addresses of a copy that has one Communication and the relay's own resources."""

    def __init__(self, bundle_id: str) -> None:
        super().__init__(bundle_id)
        self.communication = self.new("Communication")
        self.sender = self.new("Organization")
        self.recipient = self.new("Organization")
        self.provenance = self.new("Provenance")


# What the relay says itself -------------------------------------------------------------------------------

PROFILE_OF = {
    "Patient": profile("notified-patient"),
    "Procedure": profile("notified-procedure"),
    "Condition": profile("notified-diagnosis"),
    "Observation": profile("sick-leave-period"),
    "ServiceRequest": profile("oh-request"),
}


def _completed(resource: Resource, level: Level, urls: _Urls) -> Resource:
    """Put in what every copy says the same way: profile, person, and the organisation as performer."""
    kind = resource["resourceType"]
    resource["meta"] = {**resource.get("meta", {}), "profile": [PROFILE_OF[kind]]}
    if kind != "Patient" and urls.patient:
        resource["subject"] = {"reference": urls.patient}
    if kind == "Observation" and (level is Level.MINIMAL or "performer" not in resource):
        resource["performer"] = [{"reference": urls.sender}]
    if kind == "ServiceRequest":
        resource["requester"] = {"reference": urls.sender}
    return resource


def _communication(message: Message, level: Level, envelope: Envelope, pick: Picker, urls: _Urls) -> Resource:
    source = message.first("Communication")
    taken = pick.elements("Communication", source)
    is_cancel = envelope.meaning is Meaning.CANCEL
    if is_cancel:
        taken = {name: taken[name] for name in ("sent",) if name in taken}
        taken["status"] = "entered-in-error"
    category, made_for = _kind(level, is_cancel=is_cancel)
    extensions = [] if is_cancel else _extensions(level, envelope, taken.pop("extension", []))
    communication: Resource = {
        "resourceType": "Communication",
        "meta": {"profile": [profile(made_for)]},
        "language": envelope.language,
        **({"extension": extensions} if extensions else {}),
        "identifier": [{"system": URI, "value": f"urn:uuid:{envelope.notification_id}"}],
        "status": "unknown",
        "category": [concept(*CORE_CATEGORY), concept(CATEGORY, category)],
        **taken,
        "recipient": [{"reference": urls.recipient}],
        "sender": {"reference": urls.sender},
    }
    communication.setdefault("sent", instant(envelope.at))
    if urls.patient:
        communication["subject"] = {"reference": urls.patient}
    return communication


def _kind(level: Level, *, is_cancel: bool) -> tuple[str, str]:
    """Category and profile of the Communication."""
    if is_cancel:
        return "cancellation", "notification-cancel"
    if level is Level.MINIMAL:
        return event.CARE_EPISODE_NOTIFICATION, event.CARE_EPISODE_NOTIFICATION
    return event.PROCEDURE_NOTIFICATION, event.PROCEDURE_NOTIFICATION


def _extensions(level: Level, envelope: Envelope, taken: list[Resource]) -> list[Resource]:
    extensions: list[Resource] = [{"url": CONTENT_LEVEL, "valueCode": level.value}]
    if envelope.basis:
        extensions.append({"url": DISCLOSURE_BASIS, "valueCodeableConcept": concept(BASIS, envelope.basis)})
    if taken:
        return [*extensions, *taken]
    if envelope.sender.phone:
        phone = {"system": "phone", "value": envelope.sender.phone}
        extensions.append({"url": CONTACT_POINT, "valueContactPoint": phone})
    return extensions


def _header(level: Level, envelope: Envelope, urls: _Urls) -> Resource:
    """R4 MessageHeader: the relay is the source, the hospital the sender, one destination."""
    name = event.CARE_EPISODE_NOTIFICATION if level is Level.MINIMAL else envelope.event
    if envelope.meaning is Meaning.CANCEL:
        name = event.CANCEL
    return {
        "resourceType": "MessageHeader",
        "meta": {"profile": [profile("notification-header")]},
        "eventCoding": {"system": event.MESSAGE_EVENT, "code": name},
        "destination": [{"endpoint": envelope.endpoint, "receiver": {"reference": urls.recipient}}],
        "sender": {"reference": urls.sender},
        "source": {"name": envelope.name, "endpoint": envelope.address},
        "reason": concept(event.EVENT_MEANING, envelope.meaning.value),
        "focus": [{"reference": urls.communication}],
    }


def organisation(house: House, sector: str | None) -> Resource:
    """Write an organisation as the directory names it. `sector`: code of our sector system, if it is told."""
    made: Resource = {"resourceType": "Organization", "identifier": [identifier_of(house.key)]}
    if sector:
        made["type"] = [concept(code_system("sector"), sector)]
    if house.name:
        made["name"] = house.name
    return made


def identifier_of(key: str) -> Resource:
    """Write an organisation key as the Identifier it stands for."""
    system, bar, value = key.partition("|")
    if bar:
        return {"system": system, "value": value}
    return {"system": REGISTER if key.startswith("urn:oid:") else URI, "value": key}


def released_on(message: Message, pick: Picker) -> Resource | None:
    """Return the extension that says from which day on the patient may be shown it; None where none says so.

    Where parts of the message have days of their own, the copy is one thing and has the latest.
    Finnish base profiles 2.0.0-rc2, ReleaseDateForPatientViewing on Provenance.
    """
    days: list[Resource] = [
        extension
        for _, each in message.of("Provenance")
        for extension in pick.elements("Provenance", each).get("extension", ())
        if "valueDate" in extension
    ]
    return max(days, key=lambda each: str(each["valueDate"]), default=None)


def provenance(envelope: Envelope, target: str, sender: str, released: Resource | None = None) -> Resource:
    """Say who had a copy made and who made it: the sender is the author, the relay assembled it.

    `target`, `sender`: addresses within the copy. `released`: what `released_on` found.
    """
    made: Resource = {
        "resourceType": "Provenance",
        **({"extension": [released]} if released else {}),
        "target": [{"reference": target}],
        "recorded": instant(envelope.at),
        "agent": [
            {"type": concept(PARTICIPANT, "author"), "who": {"reference": sender}},
            {"type": concept(PARTICIPANT, "assembler"), "who": {"display": envelope.name}},
        ],
        "entity": [
            {
                "role": "source",
                "what": {"identifier": {"system": URI, "value": f"urn:uuid:{envelope.message_id}"}},
            }
        ],
    }
    if envelope.purpose:
        made["reason"] = [concept(ACT_REASON, envelope.purpose)]
    return made


def concept(system: str, code: str) -> Resource:
    """Write one code as a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


# The table as a page --------------------------------------------------------------------------------------


def as_markdown() -> str:
    """Write the table as it stands in the documentation: what each level carries, type by type."""
    lines: list[str] = []
    kinds = list(dict.fromkeys(line.type for line in allow_list()))
    for kind in kinds:
        lines += [
            f"### {kind}",
            "",
            "| element | minimal | clinical | protected address | restricted to | note |",
        ]
        lines.append("|---|---|---|---|---|---|")
        for line in (each for each in allow_list() if each.type == kind):
            marks = ["yes" if level in line.levels else "" for level in (Level.MINIMAL, Level.CLINICAL)]
            shape = "" if line.shape == "value" else f" ({line.shape})"
            protected = "" if line.goes_under_turvakielto else "left out"
            only = "<br>".join(f"`{each}`" for each in sorted(line.only))
            lines.append(
                f"| `{line.element}`{shape} | {' | '.join(marks)} | {protected} | {only} | {line.note} |"
            )
        lines.append("")
    return "\n".join(lines)
