"""One recipient's copy of an assessment or a client plan: what its sector may see of it, and no more.

The list is a table, `tables/disclosure-sectors.csv`. For each artefact, type and element it says at which
levels each sector gets it: health, social welfare, employment services, benefits (Kela). A line with the
element `*` says which resources of a type go at all. A sector without a column gets nothing. What a profile
asks for and the recipient may not see is said to be masked; nothing is put in its place.

A plan keeps its own id and version, because recipients send new versions of it; an assessment gets an id of
ours. Header, sender, recipient, narrative and provenance are the relay's own, as are all ids of resources.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import URI, code_system, profile
from adapter.relay import event, narrative
from adapter.relay.allow_list import MASKED, Listed, Picker, Urls, absent_reason, has_one, rows_of
from adapter.relay.artefact import MESSAGE_PROFILE, Artefact, focus_of
from adapter.relay.bundling import message_bundle
from adapter.relay.care_team import CARE_ROLE
from adapter.relay.directory import Register, key_of
from adapter.relay.disclosure import (
    concept,
    labels,
    organisation,
    provenance,
    released_on,
    versions,
)
from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Level, Meaning
from adapter.relay.message_bundle import Message
from adapter.relay.notification import TURVAKIELTO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.relay.directory import Directory
    from adapter.relay.disclosure import Envelope
    from adapter.relay.element import Element

Resource = dict[str, Any]

SECTORS = (Register.HEALTH, Register.SOCIAL, Register.EMPLOYMENT, Register.BENEFITS)
"""Sectors with a column of their own."""
RESOURCE = "*"
PEOPLE = ("Practitioner", "RelatedPerson", "Organization", "PractitionerRole")
"""Types of which only those go that something in the copy refers to."""
CONTENT: dict[Artefact, tuple[str, ...]] = {
    Artefact.PLAN: (
        "CarePlan",
        "Patient",
        "CareTeam",
        "Goal",
        "Condition",
        "Observation",
        "MedicationStatement",
        "DeviceUseStatement",
        "ServiceRequest",
        "Task",
        "Provenance",
        "Practitioner",
        "RelatedPerson",
        "Organization",
    ),
    Artefact.ASSESSMENT: (
        "Observation",
        "Patient",
        "ServiceRequest",
        "QuestionnaireResponse",
        "Encounter",
        "CareTeam",
        "PractitionerRole",
    ),
}
"""Types of which resources are copied, in the order they stand in a copy."""
CODED = ("Observation", "ServiceRequest", "Task")
"""Types that say nothing without their code: where that does not go, they do not."""
CUSTODIAN = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ITEM = code_system("assessment-item")


@dataclass(frozen=True, slots=True, kw_only=True)
class SectorLine:
    """One line of the table for one sector."""

    artefact: frozenset[Artefact]
    """Those it is about; of a shape all."""
    sector: Register
    listed: Listed


@cache
def allow_list() -> tuple[SectorLine, ...]:
    """Return the table, a line for each sector that gets something by it."""
    return tuple(
        SectorLine(
            artefact=frozenset(Artefact(each) for each in row["artefact"].split()) or frozenset(CONTENT),
            sector=sector,
            listed=Listed(
                type=row["type"],
                element=row["element"],
                shape=row["shape"],
                levels=frozenset(Level(each) for each in row[sector.value].split()),
                goes_under_turvakielto=row["turvakielto"] != "drop",
                only=frozenset(row["only"].split()),
                note=row["note"],
            ),
        )
        for row in rows_of("disclosure-sectors.csv")
        for sector in SECTORS
        if row[sector.value]
    )


@cache
def _lines(artefact: Artefact, sector: Register, level: Level, kind: str) -> tuple[Listed, ...]:
    return tuple(
        line.listed
        for line in allow_list()
        if artefact in line.artefact
        and line.sector is sector
        and line.listed.type == kind
        and level in line.listed.levels
    )


def copy_for(
    bundle: Element,
    artefact: Artefact,
    sector: Register,
    level: Level,
    envelope: Envelope,
    directory: Directory,
) -> Resource:
    """Build one recipient's copy of an assessment or a plan.

    `sector`: whose register the recipient keeps. `directory`: names the units that the copy does not.

    The same arguments give the same copy; `bundle` is not changed. One that is taken back carries the person
    and which it is, nothing of what it said. R4 Bundle (message), MessageHeader, CarePlan, Observation.
    """
    return _Copy(bundle, artefact, sector, level, envelope, directory).made()


def versions_of(
    bundle: Element,
    artefact: Artefact,
    sector: Register,
    level: Level,
    envelope: Envelope,
    directory: Directory,
) -> dict[str, str]:
    """Return the version of the sender's resource that each of the copy is made of, by id in the copy."""
    return versions(_Copy(bundle, artefact, sector, level, envelope, directory).made_of())


class _Copy:
    """The making of one copy."""

    def __init__(
        self,
        bundle: Element,
        artefact: Artefact,
        sector: Register,
        level: Level,
        envelope: Envelope,
        directory: Directory,
    ) -> None:
        self.message = Message(lifted(bundle))
        self.artefact, self.envelope, self.directory = artefact, envelope, directory
        self.is_cancel = envelope.meaning is Meaning.CANCEL
        self.focus = focus_of(self.message, artefact)[1]
        self.urls = Urls(envelope.bundle_id)
        self.sender, self.recipient = self.urls.new("Organization"), self.urls.new("Organization")
        self.provenance = self.urls.new("Provenance")
        self.team = self.urls.new("CareTeam")
        self.is_protected = TURVAKIELTO in labels(self.message)
        self.pick = Picker(
            self.message,
            lambda kind: _lines(artefact, sector, level, kind),
            self.urls,
            under_turvakielto=self.is_protected,
        )
        self.level = level

    def made_of(self) -> dict[str, Element]:
        """Return the resources that are copied from, by their address in the copy."""
        chosen = list(self._chosen())
        for resource in chosen:
            self.urls.give(resource)
        return {self.urls.of(each): each for each in chosen}

    def made(self) -> Resource:
        envelope = self.envelope
        content = {url: self._completed(each) for url, each in self.made_of().items()}
        if self.focus:
            self._finish(content)
        content = {url: each for url, each in content.items() if _is_whole(each)}
        content = dict(_needed(content))
        focus = content[self.urls.of(self.focus)]
        focus["language"] = envelope.language
        focus["text"] = self._narrative(focus, list(content.values()))
        entries = [
            (f"urn:uuid:{envelope.header_id}", self._header()),
            *content.items(),
            (self.sender, organisation(envelope.sender, None)),
            (self.recipient, organisation(envelope.recipient, None)),
            (self.provenance, self._provenance()),
        ]
        return message_bundle(
            entries,
            envelope.bundle_id,
            made_for=MESSAGE_PROFILE[self.artefact],
            mode=envelope.mode,
            at=envelope.at,
            under_turvakielto=self.is_protected,
        )

    # -- what is taken over ------------------------------------------------------------------------------

    def _chosen(self) -> Iterator[Element]:
        """The resources that may be copied from; what the message is about first, the person once."""
        for kind in CONTENT[self.artefact]:
            for _, resource in self.message.of(kind):
                is_focus = resource is self.focus
                if is_focus or (not self.is_cancel and self._goes(kind, resource)) or kind == "Patient":
                    yield resource
                if kind == "Patient":
                    break

    def _goes(self, kind: str, resource: Element) -> bool:
        """Whether a line lets this resource go."""
        if kind in CODED and not self.pick.elements(kind, resource).get("code"):
            return False
        wanted = [line for line in self.pick.lines(kind) if line.element == RESOURCE]
        return any(not line.only or _is_one(resource, line.only) for line in wanted)

    def _completed(self, resource: Element) -> Resource:
        """Its listed elements, with what every copy says the same way."""
        kind = str(resource["resourceType"])
        made = self.pick.resource(kind, resource)
        made.pop(RESOURCE, None)
        claimed = self._profile_of(kind, resource)
        if claimed:
            made["meta"] = {**made.get("meta", {}), "profile": [claimed]}
        if self.urls.patient and kind in _SUBJECT:
            made[_SUBJECT[kind]] = {"reference": self.urls.patient}
        completing = _COMPLETING.get((self.artefact, kind))
        if completing is not None:
            completing(self, resource, made)
        return made

    def _profile_of(self, kind: str, resource: Element) -> str | None:
        if kind != "Observation":
            return _PROFILES.get((self.artefact, kind))
        if resource is self.focus:
            return profile("assessment-panel")
        if _SICK_LEAVE in codes(child(resource, "code")):
            return profile("sick-leave-period")
        return profile("plan-observation" if self.artefact is Artefact.PLAN else "assessment-result")

    # -- what must stand in it ---------------------------------------------------------------------------

    def plan(self, source: Element, made: Resource) -> None:
        """A plan: what its profile asks for is there, or said to be masked. Profile client-plan."""
        if self.is_cancel:
            kept = ("resourceType", "meta", "identifier", "intent", "subject", "replaces")
            for name in [each for each in made if each not in kept]:
                del made[name]
            made["status"] = "entered-in-error" if source is self.focus else "revoked"
        if not made.get("identifier"):
            made["identifier"] = [{"system": URI, "value": f"urn:uuid:{self.envelope.notification_id}"}]
        for name in ("category", "goal", "careTeam"):
            if not made.get(name):
                made[name] = [_why_absent(next(children(source, name), {}))]
        for name in ("period", "author"):
            if not made.get(name):
                made[name] = _why_absent(child(source, name))
        if not made["period"].get("start") and "extension" not in made["period"]:
            made["period"] |= _why_absent(child(source, "period"))
        if "created" not in made and "_created" not in made:
            made["_created"] = MASKED
        if "careTeam" in made and made["careTeam"] == [MASKED] and source is self.focus:
            made["careTeam"] = [{"reference": self.team}]

    def person(self, source: Element, made: Resource) -> None:
        """A person without a name is said to have none. Profiles notified-patient, assessed-patient."""
        if not made.get("name"):
            made["name"] = [_why_absent(next(children(source, "name"), {}))]

    def goal(self, source: Element, made: Resource) -> None:
        """R4 Goal: description is required, and a measure where there is a detail of it (gol-1)."""
        if not made.get("description"):
            made["description"] = _why_absent(child(source, "description"))
        for target in made.get("target", []):
            if any(name.startswith("detail") for name in target):
                target.setdefault("measure", MASKED)

    def participants(self, source: Element, made: Resource) -> None:
        """A team of which nobody may be named is a team all the same. Profile plan-team."""
        for each in made.setdefault("participant", []):
            each.setdefault("role", [MASKED])
            each.setdefault("member", MASKED)
        if not made["participant"]:
            made["participant"] = [{"role": [MASKED], "member": MASKED}]

    def finding(self, source: Element, made: Resource) -> None:
        """An observation without a value that may go says that it is masked. R4 Observation, po-1, ar-1."""
        says = any(name.startswith("value") for name in made) or any(
            name in made for name in ("component", "hasMember", "dataAbsentReason", "derivedFrom")
        )
        is_leave = _SICK_LEAVE in codes(child(source, "code"))
        if not says and not is_leave:
            made["dataAbsentReason"] = _ABSENT_CONCEPT
        if not made.get("category"):
            made["category"] = [MASKED]
        if is_leave and not made.get("performer"):
            made["performer"] = [{"reference": self.sender}]

    def result(self, source: Element, made: Resource) -> None:
        """An assessment and its results: who assessed is the person, or the organisation that tells it."""
        if source is self.focus:
            made["identifier"] = [{"system": URI, "value": f"urn:uuid:{self.envelope.notification_id}"}]
            if self.is_cancel:
                for name in ("hasMember", "derivedFrom"):
                    made.pop(name, None)
                made["status"] = "entered-in-error"
        if not made.get("performer"):
            made["performer"] = [{"reference": self.sender}]
        effective = [name for name in made if name.lstrip("_").startswith("effective")]
        if not effective:
            made["_effectiveDateTime"] = MASKED
        self.finding(source, made)

    def proposal(self, source: Element, made: Resource) -> None:
        """R4 ServiceRequest: what is proposed is proposed by the organisation that tells it."""
        made["requester"] = {"reference": self.sender}

    def unit(self, source: Element, made: Resource) -> None:
        """A unit is named by the directory where its own name does not go. fi-base-organization."""
        keys = [key for each in children(source, "identifier") if (key := key_of(each))]
        party = next((found for key in keys if (found := self.directory.party(key))), None)
        if "name" not in made and party is not None and party.name:
            made["name"] = party.name
        if "name" not in made and not made.get("identifier"):
            made["_name"] = MASKED

    def _finish(self, content: dict[str, Resource]) -> None:
        """Give a plan a team that may be shown where its own cannot be, with a coordinator who is masked.

        Profile client-plan-message: a coordinator is named, or it is said that none is known.
        """
        if self.artefact is not Artefact.PLAN:
            return
        teams = [each for each in content.values() if each["resourceType"] == "CareTeam"]
        if any(_coordinates(one) for team in teams for one in team["participant"]):
            return
        masked = {"role": [concept(CARE_ROLE, "coordinator")], "member": MASKED}
        focus = content[self.urls.of(self.focus)]
        own = [content.get(each.get("reference", "")) for each in focus["careTeam"]]
        team = next((each for each in own if each is not None), None)
        if team is not None:
            team["participant"].append(masked)
            return
        made: Resource = {
            "resourceType": "CareTeam",
            "meta": {"profile": [profile("plan-team")]},
            "participant": [masked],
        }
        if self.urls.patient:
            made["subject"] = {"reference": self.urls.patient}
        focus["careTeam"] = [{"reference": self.team}]
        content[self.team] = made

    # -- what the relay says itself ----------------------------------------------------------------------

    def _header(self) -> Resource:
        """R4 MessageHeader: the relay is the source, one destination."""
        envelope = self.envelope
        is_plan = self.artefact is Artefact.PLAN
        name = event.CLIENT_PLAN if is_plan else _ASSESSMENT_EVENT.get(envelope.meaning, event.ASSESSMENT)
        return {
            "resourceType": "MessageHeader",
            "meta": {"profile": [profile("client-plan-header" if is_plan else "assessment-header")]},
            "eventCoding": {"system": event.MESSAGE_EVENT, "code": name},
            "destination": [{"endpoint": envelope.endpoint, "receiver": {"reference": self.recipient}}],
            "sender": {"reference": self.sender},
            "source": {"name": envelope.name, "endpoint": envelope.address},
            "reason": concept(event.EVENT_MEANING, envelope.meaning.value),
            "focus": [{"reference": self.urls.of(self.focus)}],
        }

    def _provenance(self) -> Resource:
        released = None if self.is_cancel else released_on(self.message, self.pick)
        made = provenance(self.envelope, self.urls.of(self.focus), self.sender, released)
        if self.artefact is Artefact.PLAN:
            made["agent"] += list(self._custodians()) or [_NO_CUSTODIAN]
        return made

    def _custodians(self) -> Iterator[Resource]:
        """Who controls the register that the plan is kept in: kind and identifier. R4 Provenance.agent."""
        for _, resource in self.message.of("Provenance"):
            for agent in children(resource, "agent"):
                named = [code for _, code in codes(child(agent, "type"))]
                if not {"CST", "custodian"} & set(named):
                    continue
                identifier = self.pick.elements("Identifier", child(child(agent, "who"), "identifier"))
                who: Resource = {"identifier": identifier} if identifier else MASKED
                yield {"type": concept(CUSTODIAN, "CST"), "who": who}

    def _narrative(self, focus: Resource, content: list[Resource]) -> dict[str, str]:
        envelope = self.envelope
        told = narrative.Told(
            language=envelope.language,
            level=self.level,
            meaning=envelope.meaning,
            is_correction=envelope.meaning is Meaning.UPDATE,
            sender=envelope.sender.name,
            basis=envelope.basis,
            is_protected=self.is_protected,
        )
        if self.artefact is Artefact.PLAN:
            return narrative.of_plan(
                content,
                envelope.language,
                sender=envelope.sender.name,
                basis=envelope.basis,
                meaning=envelope.meaning,
            )
        return narrative.of_assessment(content, focus, told)


_SICK_LEAVE = ("http://snomed.info/sct", "224459001")
_SUBJECT = {
    "CarePlan": "subject",
    "CareTeam": "subject",
    "Goal": "subject",
    "Condition": "subject",
    "Observation": "subject",
    "MedicationStatement": "subject",
    "DeviceUseStatement": "subject",
    "ServiceRequest": "subject",
    "QuestionnaireResponse": "subject",
    "Encounter": "subject",
    "Task": "for",
    "RelatedPerson": "patient",
}
"""Where a resource names the person."""
_COMPLETING = {
    (Artefact.PLAN, "Patient"): _Copy.person,
    (Artefact.ASSESSMENT, "Patient"): _Copy.person,
    (Artefact.PLAN, "CarePlan"): _Copy.plan,
    (Artefact.PLAN, "Goal"): _Copy.goal,
    (Artefact.PLAN, "CareTeam"): _Copy.participants,
    (Artefact.PLAN, "Observation"): _Copy.finding,
    (Artefact.PLAN, "Organization"): _Copy.unit,
    (Artefact.ASSESSMENT, "Observation"): _Copy.result,
    (Artefact.ASSESSMENT, "ServiceRequest"): _Copy.proposal,
}
_PROFILES = {
    (Artefact.PLAN, "Patient"): profile("notified-patient"),
    (Artefact.PLAN, "CarePlan"): profile("client-plan"),
    (Artefact.PLAN, "CareTeam"): profile("plan-team"),
    (Artefact.PLAN, "Goal"): profile("plan-goal"),
    (Artefact.PLAN, "Provenance"): profile("client-approval"),
    (Artefact.ASSESSMENT, "Patient"): profile("assessed-patient"),
    (Artefact.ASSESSMENT, "ServiceRequest"): profile("assessment-measure"),
    (Artefact.ASSESSMENT, "QuestionnaireResponse"): profile("assessment-answers"),
    (Artefact.ASSESSMENT, "CareTeam"): profile("work-ability-team"),
    (Artefact.ASSESSMENT, "Encounter"): profile("unemployed-health-check"),
}
_ASSESSMENT_EVENT = {Meaning.UPDATE: event.CORRECTION, Meaning.CANCEL: event.CANCEL}
_ABSENT_CONCEPT = concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "masked")
_NO_CUSTODIAN: Resource = {"type": concept(CUSTODIAN, "CST"), "who": MASKED}
_NEEDED = {"Provenance": ("target", "agent", "recorded"), "CareTeam": ("participant",)}
"""Elements without which a resource is none and is left out."""


def lifted(bundle: Element) -> Element:
    """Return the Bundle with what its resources contain as entries of their own.

    R4 DomainResource.contained: `#id` leads to a part of the same resource.
    """
    if not any("contained" in child(entry, "resource") for entry in children(bundle, "entry")):
        return bundle
    entries: list[Any] = []
    for number, entry in enumerate(children(bundle, "entry")):
        resource = child(entry, "resource")
        names = {
            f"#{each['id']}": f"urn:silta:contained:{number}:{each['id']}"
            for each in children(resource, "contained")
            if text(each, "id")
        }
        entries.append({**entry, "resource": _renamed(resource, names)})
        entries += [
            {"fullUrl": names[f"#{each['id']}"], "resource": _renamed(each, names)}
            for each in children(resource, "contained")
            if text(each, "id")
        ]
    return {**bundle, "entry": entries}


def _renamed(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            name: names.get(each, each)
            if name == "reference" and isinstance(each, str)
            else _renamed(each, names)
            for name, each in value.items()
            if name != "contained"
        }
    return [_renamed(each, names) for each in value] if isinstance(value, list) else value


def _is_one(resource: Element, only: frozenset[str]) -> bool:
    """Whether a resource is one of those a line is about, by its code or its category.

    Every coding must be one of them where the category names several: a goal of work and health is of health.
    """
    if resource.get("resourceType") == "Provenance":
        return any(has_one(child(agent, "type"), only) for agent in children(resource, "agent"))
    if resource.get("resourceType") == "Goal":
        named = [code for each in children(resource, "category") for code in codes(each)]
        return bool(named) and all(system in only or code in only for system, code in named)
    return has_one(child(resource, "code"), only)


def _why_absent(value: Element) -> Resource:
    """Say why an element is absent: as the source says, else masked."""
    return absent_reason(value) or MASKED


def _coordinates(participant: Element) -> bool:
    return any((CARE_ROLE, "coordinator") in codes(role) for role in children(participant, "role"))


def _is_whole(resource: Resource) -> bool:
    """Whether a resource has what it cannot be without."""
    if any(not resource.get(name) for name in _NEEDED.get(resource["resourceType"], ())):
        return False
    return resource["resourceType"] != "Provenance" or all("who" in each for each in resource["agent"])


def _needed(content: dict[str, Resource]) -> Iterator[tuple[str, Resource]]:
    """Leave out people and units that nothing in the copy refers to."""
    wanted = set(_references(each for each in content.values() if each["resourceType"] not in PEOPLE))
    wanted |= set(_references(content[url] for url in wanted if url in content))
    for url, resource in content.items():
        if resource["resourceType"] not in PEOPLE or url in wanted:
            yield url, resource


def _references(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict):
            found = value.get("reference")
            if isinstance(found, str):
                yield found
            yield from _references(value.values())
        elif isinstance(value, list):
            yield from _references(value)


# The table as a page --------------------------------------------------------------------------------------

_MARKS = {
    frozenset(Level): "yes",
    frozenset({Level.CLINICAL}): "clinical",
    frozenset({Level.MINIMAL}): "minimal only",
}


def as_markdown() -> str:
    """Write the table as it stands in the documentation: what each sector gets, type by type."""
    lines: list[str] = []
    kind: tuple[str, str] | None = None
    for row in rows_of("disclosure-sectors.csv"):
        if (row["artefact"], row["type"]) != kind:
            kind = (row["artefact"], row["type"])
            about = f" ({', '.join(row['artefact'].split())})" if row["artefact"] else ""
            lines += ["", f"#### {row['type']}{about}", ""]
            heads = (
                "element",
                *(each.value for each in SECTORS),
                "protected address",
                "restricted to",
                "note",
            )
            lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        shape = "" if row["shape"] in ("value", "resource") else f" ({row['shape']})"
        marks = (_MARKS.get(frozenset(map(Level, row[each.value].split())), "") for each in SECTORS)
        protected = "left out" if row["turvakielto"] == "drop" else ""
        only = "<br>".join(f"`{each}`" for each in row["only"].split())
        element = "the resource" if row["element"] == RESOURCE else f"`{row['element']}`{shape}"
        lines.append(f"| {element} | {' | '.join(marks)} | {protected} | {only} | {row['note']} |")
    return "\n".join(lines).strip()
