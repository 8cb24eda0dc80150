"""Disclosure: one recipient's copy of a message, built from a list of what goes.

The list is a table, `tables/disclosure.csv`: for each type and element whether the minimal and the clinical
level carry it, in which shape, and whether a protected address (turvakielto) takes it out again. What is not
in the table does not go: unknown elements, extensions, contained resources, resources of other types. Nothing
is removed from the sender's message; a new one is built and the listed elements are copied into it.

Header, sender, recipient, narrative and provenance are the relay's own and never copied. So are all ids: they
are derived from the two ids the copy is given, and say nothing of the sender's.
"""

from __future__ import annotations

import csv
import io
import uuid
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import code_system, profile
from adapter.relay import event, narrative
from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Level, Meaning, Mode
from adapter.relay.notification import (
    ACT_REASON,
    BASIS,
    CONTENT_LEVEL,
    DISCLOSURE_BASIS,
    SICK_LEAVE,
    TEST_TAG,
    TURVAKIELTO,
    Message,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from adapter.relay.deployment import Language
    from adapter.relay.element import Element

Resource = dict[str, Any]

CATEGORY = code_system("communication-category")
CORE_CATEGORY = ("http://terminology.hl7.org/CodeSystem/communication-category", "notification")
CONTACT_POINT = profile("contact-point")
OH_REQUEST = code_system("oh-request")
REGISTER = "urn:oid:1.2.246.537.6.202"
"""Identifier.system of the SOTE organisation register, the spelling we write."""
URI = "urn:ietf:rfc:3986"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ABSENT = frozenset(
    ("unknown", "asked-unknown", "temp-unknown", "not-asked", "asked-declined", "masked", "not-applicable")
)

CONTENT = ("Patient", "Procedure", "Condition", "Observation", "ServiceRequest")
"""Types of which resources are copied, in the order they stand in a copy. Patient comes once."""


# The table ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the table: an element that goes."""

    type: str
    """A resource type, or a shape that other lines name."""
    element: str
    """Its JSON name; a dot goes one element deeper."""
    shape: str
    """`value` for primitives, `Reference`, or the shape whose lines say what goes of it."""
    levels: frozenset[Level]
    goes_under_turvakielto: bool
    only: frozenset[str]
    """Systems, urls or codes it is restricted to; empty for no restriction."""
    note: str


@cache
def allow_list() -> tuple[Listed, ...]:
    """Return the table."""
    source = (files("adapter.relay") / "tables" / "disclosure.csv").read_text("utf-8")
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
        for row in csv.DictReader(io.StringIO(source))
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
    chosen = list(_chosen(message, level, is_cancel=is_cancel))
    urls = _Urls(envelope)
    for _, resource in chosen:
        urls.give(resource)
    under_turvakielto = TURVAKIELTO in _labels(message)
    pick = _Picker(message, level, urls, under_turvakielto=under_turvakielto)
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
    entries = [
        (f"urn:uuid:{envelope.header_id}", _header(level, envelope, urls)),
        (urls.communication, communication),
        *content,
        (urls.sender, _organisation(envelope.sender, "hospital")),
        (urls.recipient, _organisation(envelope.recipient, None)),
        (urls.provenance, _provenance(envelope, urls)),
    ]
    return {
        "resourceType": "Bundle",
        "id": envelope.bundle_id,
        "meta": _bundle_meta(envelope, under_turvakielto=under_turvakielto),
        "identifier": {"system": URI, "value": f"urn:uuid:{envelope.bundle_id}"},
        "type": "message",
        "timestamp": _instant(envelope.at),
        "entry": [{"fullUrl": url, "resource": _with_id(resource, url)} for url, resource in entries],
    }


# What is taken over ---------------------------------------------------------------------------------------


def _chosen(message: Message, level: Level, *, is_cancel: bool) -> Iterator[tuple[str, Element]]:
    """The resources of the message that may be copied from, the person first."""
    for kind in (each for each in CONTENT if _lines(each, level)):
        for _, resource in message.of(kind):
            if kind == "Patient" or (not is_cancel and _is_ours(kind, resource)):
                yield kind, resource
            if kind == "Patient":
                break


def _is_ours(kind: str, resource: Element) -> bool:
    """Of Observations only the sick leave, of ServiceRequests only those put to occupational health."""
    found = list(codes(child(resource, "code")))
    if kind == "Observation":
        return SICK_LEAVE in found
    if kind == "ServiceRequest":
        return any(system == OH_REQUEST for system, _ in found)
    return True


def _labels(message: Message) -> set[tuple[str, str]]:
    resources = (message.bundle, *(each for _, each in message.entries))
    return {
        (text(coding, "system") or "", text(coding, "code") or "")
        for resource in resources
        for coding in children(child(resource, "meta"), "security")
    }


class _Urls:
    """Addresses within the copy: derived from its own id, by kind and number."""

    def __init__(self, envelope: Envelope) -> None:
        self._space = uuid.UUID(envelope.bundle_id)
        self._given: dict[int, str] = {}
        self._count: dict[str, int] = {}
        self.communication = self._new("Communication")
        self.sender = self._new("Organization")
        self.recipient = self._new("Organization")
        self.provenance = self._new("Provenance")
        self.patient: str | None = None

    def _new(self, kind: str) -> str:
        self._count[kind] = self._count.get(kind, 0) + 1
        return f"urn:uuid:{uuid.uuid5(self._space, f'{kind}/{self._count[kind]}')}"

    def give(self, resource: Element) -> None:
        """Give a resource of the sender its address in the copy."""
        self._given[id(resource)] = self._new(str(resource["resourceType"]))
        if resource["resourceType"] == "Patient":
            self.patient = self._given[id(resource)]

    def of(self, resource: Element) -> str:
        """The address of a resource in the copy."""
        return self._given[id(resource)]

    def find(self, resource: Element) -> str | None:
        """The address in the copy of what a reference pointed at, None if it is not in the copy."""
        return self._given.get(id(resource))


class _Picker:
    """Copies the listed elements of one level."""

    def __init__(self, message: Message, level: Level, urls: _Urls, *, under_turvakielto: bool) -> None:
        self.message = message
        self.level = level
        self.urls = urls
        self.under_turvakielto = under_turvakielto

    def resource(self, kind: str, resource: Element) -> Resource:
        return {"resourceType": kind, **self.elements(kind, resource)}

    def elements(self, kind: str, value: Element, only: frozenset[str] = frozenset()) -> Resource:
        """The listed elements of one value; `only` restricts the codings of a concept."""
        taken: Resource = {}
        for line in _lines(kind, self.level):
            if self.under_turvakielto and not line.goes_under_turvakielto:
                continue
            self._take(taken, value, line, line.element.split("."), line.only or only)
        return taken

    def _take(
        self, taken: Resource, value: Element, line: Listed, path: list[str], only: frozenset[str]
    ) -> None:
        name = path[0]
        if len(path) > 1:
            inner: Resource = {}
            self._take(inner, child(value, name), line, path[1:], only)
            if inner:
                taken.setdefault(name, {}).update(inner)
            return
        found = value.get(name)
        picked = self._value(found, line.shape, only)
        if isinstance(picked, list) and isinstance(taken.get(name), list):
            picked = [*taken[name], *(each for each in picked if each not in taken[name])]
        if picked is not None:
            taken[name] = picked
        elif line.shape == "value" and found is None:
            absent = _absent(value.get(f"_{name}"))
            if absent:
                taken[f"_{name}"] = absent

    def _value(self, found: object, shape: str, only: frozenset[str]) -> Any:  # noqa: ANN401
        if isinstance(found, list):
            picked = [self._value(each, shape, only) for each in found if not isinstance(each, list)]
            return [each for each in picked if each is not None] or None
        if shape == "value":
            return found if isinstance(found, str | bool | int | Decimal) else None
        if not isinstance(found, dict):
            return None
        if shape == "Reference":
            return self._reference(found)
        if not _is_within(found, shape, only):
            return None
        return self.elements(shape, found, only) or None

    def _reference(self, reference: Element) -> Resource | None:
        url = self.urls.find(self.message.resolve(reference))
        return {"reference": url} if url else None


def _is_within(value: Element, shape: str, only: frozenset[str]) -> bool:
    """Whether a value is one of those that the line is restricted to."""
    if not only:
        return True
    if shape in ("Identifier", "Coding", "Code"):
        return text(value, "system") in only
    if shape.endswith("Extension"):
        return text(value, "url") in only
    if shape.endswith("Component"):
        return any(code in only for _, code in codes(child(value, "code")))
    if shape in ("CodeableConcept", "CodedConcept"):
        return any(system in only for system, _ in codes(value))
    return True


def _absent(extended: object) -> Resource | None:
    """Why a value is absent, as far as it is said by a code of the standard. R4 data-absent-reason."""
    for each in children(extended, "extension") if isinstance(extended, dict) else ():
        if each.get("url") == ABSENT_REASON and each.get("valueCode") in _ABSENT:
            return {"extension": [{"url": ABSENT_REASON, "valueCode": each["valueCode"]}]}
    return None


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


def _communication(
    message: Message, level: Level, envelope: Envelope, pick: _Picker, urls: _Urls
) -> Resource:
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
        "category": [_concept(*CORE_CATEGORY), _concept(CATEGORY, category)],
        **taken,
        "recipient": [{"reference": urls.recipient}],
        "sender": {"reference": urls.sender},
    }
    communication.setdefault("sent", _instant(envelope.at))
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
        extensions.append({"url": DISCLOSURE_BASIS, "valueCodeableConcept": _concept(BASIS, envelope.basis)})
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
        "reason": _concept(event.EVENT_MEANING, envelope.meaning.value),
        "focus": [{"reference": urls.communication}],
    }


def _organisation(house: House, sector: str | None) -> Resource:
    organisation: Resource = {"resourceType": "Organization", "identifier": [identifier_of(house.key)]}
    if sector:
        organisation["type"] = [_concept(code_system("sector"), sector)]
    if house.name:
        organisation["name"] = house.name
    return organisation


def identifier_of(key: str) -> Resource:
    """Write an organisation key as the Identifier it stands for."""
    system, bar, value = key.partition("|")
    if bar:
        return {"system": system, "value": value}
    return {"system": REGISTER if key.startswith("urn:oid:") else URI, "value": key}


def _provenance(envelope: Envelope, urls: _Urls) -> Resource:
    """Who had it made and who made it: the hospital is the author, the relay assembled the copy."""
    provenance: Resource = {
        "resourceType": "Provenance",
        "target": [{"reference": urls.communication}],
        "recorded": _instant(envelope.at),
        "agent": [
            {"type": _concept(PARTICIPANT, "author"), "who": {"reference": urls.sender}},
            {"type": _concept(PARTICIPANT, "assembler"), "who": {"display": envelope.name}},
        ],
        "entity": [
            {
                "role": "source",
                "what": {"identifier": {"system": URI, "value": f"urn:uuid:{envelope.message_id}"}},
            }
        ],
    }
    if envelope.purpose:
        provenance["reason"] = [_concept(ACT_REASON, envelope.purpose)]
    return provenance


def _bundle_meta(envelope: Envelope, *, under_turvakielto: bool) -> Resource:
    meta: Resource = {"profile": [profile("notification-message")]}
    if under_turvakielto:
        meta["security"] = [{"system": TURVAKIELTO[0], "code": TURVAKIELTO[1]}]
    if envelope.mode is Mode.TEST:
        meta["tag"] = [{"system": TEST_TAG[0], "code": TEST_TAG[1]}]
    return meta


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _with_id(resource: Resource, url: str) -> Resource:
    return {"resourceType": resource["resourceType"], "id": url.removeprefix("urn:uuid:"), **resource}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
