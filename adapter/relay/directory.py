"""The partner directory: who is who, who is still active, and which provider an employer has.

The directory is FHIR resources (Organization, OrganizationAffiliation, Endpoint) as the store keeps them;
here they become an index that questions can be put to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.fhir.canonical import code_system
from adapter.outcome import Issue
from adapter.relay.element import child, children, codes, day_of, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import date

    from adapter.relay.element import Element

SECTOR = code_system("sector")
"""Organization.type says in this system what kind of organisation it is."""
AFFILIATION_ROLE = code_system("affiliation-role")
OCCUPATIONAL_HEALTH_FOR = "occupational-health-provider"
"""OrganizationAffiliation.code: `organization` looks after the people of `participatingOrganization`."""

FEED_PREFIX = "polled."
"""Ids of what another server's directory holds begin with it: no file's id is meant by them."""

BUSINESS_ID = "urn:oid:1.2.246.10"
"""Identifier.system of a y-tunnus where the value is one (`1234567-8`)."""

_OID = re.compile(r"(?:urn:oid:)?([0-2](?:\.(?:0|[1-9]\d*))+)", re.ASCII)
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_BARE_OID_PARTS = 4


class RecipientClass(StrEnum):
    """What kind of organisation receives; each a class of its own, denied unless a rule speaks for it."""

    HOSPITAL = "hospital"
    OCCUPATIONAL_HEALTH = "occupational-health"
    PRIMARY_CARE = "primary-care"
    WORK_ABILITY_CENTRE = "work-ability-centre"
    SOCIAL_SERVICE = "social-service"
    EMPLOYMENT_SERVICE = "employment-service"
    KELA = "kela"
    ACCIDENT_INSURER = "accident-insurer"
    PENSION_INSURER = "pension-insurer"
    EDUCATION = "education"
    THIRD_SECTOR = "third-sector"
    EMPLOYER = "employer"
    UNKNOWN = "unknown"
    """The directory does not say; no rule speaks for it."""


class Register(StrEnum):
    """Whose register the organisation keeps; a permit for one never opens another."""

    HEALTH = "health"
    SOCIAL = "social"
    EMPLOYMENT = "employment"
    BENEFITS = "benefits"
    INSURANCE = "insurance"
    EDUCATION = "education"
    THIRD_SECTOR = "third-sector"
    EMPLOYER = "employer"
    UNKNOWN = "unknown"


REGISTER_OF: dict[RecipientClass, Register] = {
    RecipientClass.HOSPITAL: Register.HEALTH,
    RecipientClass.OCCUPATIONAL_HEALTH: Register.HEALTH,
    RecipientClass.PRIMARY_CARE: Register.HEALTH,
    RecipientClass.WORK_ABILITY_CENTRE: Register.HEALTH,
    RecipientClass.SOCIAL_SERVICE: Register.SOCIAL,
    RecipientClass.EMPLOYMENT_SERVICE: Register.EMPLOYMENT,
    RecipientClass.KELA: Register.BENEFITS,
    RecipientClass.ACCIDENT_INSURER: Register.INSURANCE,
    RecipientClass.PENSION_INSURER: Register.INSURANCE,
    RecipientClass.EDUCATION: Register.EDUCATION,
    RecipientClass.THIRD_SECTOR: Register.THIRD_SECTOR,
    RecipientClass.EMPLOYER: Register.EMPLOYER,
    RecipientClass.UNKNOWN: Register.UNKNOWN,
}


def key_of(identifier: Element) -> str | None:
    """Return the one key of an organisation's identifier, or None if it has no value.

    A value that is an OID, with or without `urn:oid:`, or a UUID URN is the key by itself, so that the
    three register spellings in use (`urn:oid:1.2.246.537.6.202`, `...6.202.2008`, `urn:ietf:rfc:3986`) give
    one key. Anything else is `system|value`.
    """
    value = (text(identifier, "value") or "").strip()
    if not value:
        return None
    if _UUID.fullmatch(value):
        return value.lower()
    match = _OID.fullmatch(value)
    if match and (value.startswith("urn:") or match[1].count(".") >= _BARE_OID_PARTS):
        return f"urn:oid:{match[1]}"
    system = text(identifier, "system")
    return f"{system}|{value}" if system else value


def keys_of(organisation: Element) -> tuple[str, ...]:
    """Return every key of an Organization resource, in the order it names them."""
    found = (key_of(identifier) for identifier in children(organisation, "identifier"))
    return tuple(dict.fromkeys(key for key in found if key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One organisation of the directory."""

    key: str
    """Its first identifier's key: the name it goes by inside."""
    keys: tuple[str, ...]
    name: str | None
    recipient_class: RecipientClass
    is_active: bool
    """R4 Organization.active; an organisation that does not say so is not active."""
    has_endpoint: bool
    part_of: str | None = None
    """Key of the organisation it is part of."""
    is_polled: bool = False
    """True if another server's directory says so, and no file."""
    switchboard: str | None = None
    """Phone number of the house, where the directory gives one: the one contact of a minimal copy."""

    @property
    def register(self) -> Register:
        """Whose register it keeps."""
        return REGISTER_OF[self.recipient_class]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affiliation:
    """A provider that an employer has for its people."""

    id: str
    provider: str
    employer: str
    role: str
    is_active: bool
    start: date | None = None
    end: date | None = None
    is_polled: bool = False
    """True if another server's directory says so, and no file."""

    def holds(self, on: date) -> bool:
        """Return True if it is in force on that day."""
        begun = self.start is None or self.start <= on
        return self.is_active and begun and (self.end is None or on <= self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The index."""

    parties: Mapping[str, Party] = field(default_factory=dict)
    """By every key each party has."""
    affiliations: Mapping[str, tuple[Affiliation, ...]] = field(default_factory=dict)
    """By employer key."""
    is_stale: bool = False
    """True if what another server said of it is too old to be routed by."""

    def party(self, key: str | None) -> Party | None:
        """Return the organisation of that key, or None if the directory does not know it."""
        return self.parties.get(key) if key else None

    def providers_of(self, employer: str) -> tuple[Affiliation, ...]:
        """Return what the directory says of an employer's providers, past and future ones too."""
        party = self.party(employer)
        keys = party.keys if party else (employer,)
        return tuple(found for key in keys for found in self.affiliations.get(key, ()))


def read(resources: Iterable[Element], *, reachable: Collection[str] = ()) -> Directory:
    """Build the index from FHIR resources; what cannot be read is left out and named by `faults`.

    `reachable`: keys of the organisations this deployment has a connection to; an organisation outside it
    has no endpoint, whatever the directory claims, because addresses come from configuration alone.
    """
    every = list(resources)
    keys_by_id = _keys_by_id(every)
    suspended = {_id(each) for each in _of(every, "Endpoint") if each.get("status") != "active"}
    parties: dict[str, Party] = {}
    for resource in _of(every, "Organization"):
        party = _party(resource, keys_by_id, suspended, reachable)
        if party:
            parties.update(dict.fromkeys(party.keys, party))
    affiliations: dict[str, tuple[Affiliation, ...]] = {}
    for resource in _of(every, "OrganizationAffiliation"):
        found = _affiliation(resource, keys_by_id)
        if found:
            affiliations[found.employer] = (*affiliations.get(found.employer, ()), found)
    return Directory(parties=parties, affiliations=affiliations)


def faults(resources: Iterable[Element]) -> list[Issue]:
    """Return what is wrong with the resources of a directory: nothing of it is guessed at."""
    every = list(resources)
    keys_by_id = _keys_by_id(every)
    found: list[Issue] = []
    owner: dict[str, str] = {}
    for resource in _of(every, "Organization"):
        at = f"Organization/{_id(resource)}"
        keys = keys_of(resource)
        if not keys:
            found.append(Issue("RT201", at=at))
        elif recipient_class(resource) is RecipientClass.UNKNOWN:
            found.append(Issue("RT202", at=at))
        for key in keys:
            if owner.setdefault(key, at) != at:
                found.append(Issue("RT203", at=at, params={"other": owner[key]}))
    for resource in _of(every, "OrganizationAffiliation"):
        if _affiliation(resource, keys_by_id) is None:
            found.append(Issue("RT204", at=f"OrganizationAffiliation/{_id(resource)}"))
    return found


def recipient_class(organisation: Element) -> RecipientClass:
    """Return the class an Organization carries in `type`, UNKNOWN if it carries none of ours or several."""
    named = {
        code
        for concept in children(organisation, "type")
        for system, code in codes(concept)
        if system == SECTOR
    }
    # Whatever else it is, an employer is never a recipient.
    if RecipientClass.EMPLOYER.value in named:
        return RecipientClass.EMPLOYER
    known = [each for each in RecipientClass if each.value in named]
    return known[0] if len(named) == 1 and known else RecipientClass.UNKNOWN


def _of(resources: Iterable[Element], kind: str) -> Iterator[Element]:
    return (each for each in resources if each.get("resourceType") == kind)


def _id(resource: Element) -> str:
    return text(resource, "id") or "?"


def _keys_by_id(resources: Iterable[Element]) -> dict[str, tuple[str, ...]]:
    return {_id(each): keys_of(each) for each in _of(resources, "Organization")}


def _party(
    resource: Element,
    keys_by_id: Mapping[str, tuple[str, ...]],
    suspended: Collection[str],
    reachable: Collection[str],
) -> Party | None:
    keys = keys_of(resource)
    if not keys:
        return None
    refused = any(_target(reference) in suspended for reference in children(resource, "endpoint"))
    phones = [text(each, "value") for each in children(resource, "telecom") if each.get("system") == "phone"]
    return Party(
        key=keys[0],
        keys=keys,
        name=text(resource, "name"),
        recipient_class=recipient_class(resource),
        is_active=resource.get("active") is True,
        has_endpoint=not refused and any(key in reachable for key in keys),
        part_of=_key_of_reference(child(resource, "partOf"), keys_by_id),
        is_polled=_id(resource).startswith(FEED_PREFIX),
        switchboard=phones[0] if phones else None,
    )


def _affiliation(resource: Element, keys_by_id: Mapping[str, tuple[str, ...]]) -> Affiliation | None:
    """Read one affiliation; None if it leaves open who, for whom, as what or when."""
    provider = _key_of_reference(child(resource, "organization"), keys_by_id)
    employer = _key_of_reference(child(resource, "participatingOrganization"), keys_by_id)
    roles = [
        code
        for concept in children(resource, "code")
        for system, code in codes(concept)
        if system == AFFILIATION_ROLE
    ]
    period = child(resource, "period")
    start, end = day_of(text(period, "start")), day_of(text(period, "end"))
    is_unread = ("start" in period and start is None) or ("end" in period and end is None)
    if not provider or not employer or len(roles) != 1 or is_unread:
        return None
    return Affiliation(
        id=_id(resource),
        provider=provider,
        employer=employer,
        role=roles[0],
        is_active=resource.get("active") is True,
        start=start,
        end=end,
        is_polled=_id(resource).startswith(FEED_PREFIX),
    )


def _key_of_reference(reference: Element, keys_by_id: Mapping[str, tuple[str, ...]]) -> str | None:
    named = key_of(child(reference, "identifier"))
    keys = keys_by_id.get(_target(reference), ())
    return named or (keys[0] if keys else None)


def _target(reference: Element) -> str:
    return (text(reference, "reference") or "").rpartition("/")[2]
