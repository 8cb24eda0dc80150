"""Custody: whose register content comes from, which the record of each disclosure names.

A message may say who controls the register (rekisterinpitäjä): the Provenance of what it is about has an
agent of type CST, and may name the type of the register, as the Finnish base profiles for information
custodians have it. Where it does not, the controller is taken to be the organisation at the top of the
sender's hierarchy in the directory: the legal person that the unit is part of.

All of it goes into the audit, which holds no content: what reads as a personal identity code is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhir import hetu
from adapter.relay.directory import Register
from adapter.relay.element import child, children, codes, text
from adapter.relay.message_bundle import Message
from adapter.relay.referral import REGISTER_TYPE, referrals_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.relay.consent import Permit
    from adapter.relay.directory import Directory
    from adapter.relay.element import Code, Element
    from adapter.relay.message import Level

CUSTODIAN: Code = ("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "CST")
SOCIAL_REGISTER_TYPE = "urn:oid:1.2.246.537.6.1264"
"""Sosiaalihuolto - Asiakirjan rekisteritunnus."""
_REGISTER_TYPES = (REGISTER_TYPE, SOCIAL_REGISTER_TYPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """Whose register it is."""

    register: Register
    """Kind of the sender's register, by the directory."""
    controllers: tuple[str, ...]
    """Keys of who controls it; several where parts of the message are of several."""
    types: tuple[str, ...] = ()
    """`system|code` of the national type of the register, where the message says it."""

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return what the audit keeps of it; nothing of what nobody knows."""
        said = {
            "register": "" if self.register is Register.UNKNOWN else self.register.value,
            "register-type": " ".join(self.types),
            "controller": " ".join(self.controllers),
        }
        return tuple((name, value) for name, value in said.items() if value)


def custody_of(bundle: Element, sender: str, directory: Directory) -> Custody:
    """Return whose register the content of a message comes from. `sender`: key of the organisation.

    Custody of a referral that came in is its sender's, and says nothing of this register.
    """
    message = Message(bundle)
    came_in = referrals_in(message)
    own = [
        provenance
        for _, provenance in message.of("Provenance")
        if not any(message.resolve(each) is one for each in children(provenance, "target") for one in came_in)
    ]
    party = directory.party(sender)
    named = dict.fromkeys(key for each in own for key in _controllers(message, each))
    return Custody(
        register=party.register if party is not None else Register.UNKNOWN,
        controllers=tuple(named) or (_top(sender, directory),),
        types=tuple(dict.fromkeys(each for one in own for each in _types(one))),
    )


def written_down(endpoint: str, level: Level | None, permit: Permit | None) -> tuple[tuple[str, str], ...]:
    """Return what the audit keeps of a sending: where it goes, how much of it, what for.

    And by which version of the rule table that was decided, where it was.
    """
    said = {
        "endpoint": endpoint,
        "level": level.value if level is not None else None,
        "purpose": permit.purpose if permit is not None else None,
        "rules": permit.rules if permit is not None else None,
    }
    return tuple((name, value) for name, value in said.items() if value is not None)


def version_of(resource: Element) -> str | None:
    """Return the version a resource says it is, None if it says none or one that tells of a person."""
    version = text(child(resource, "meta"), "versionId")
    return version if version and _may_be_kept(version) else None


def content_of(copy: Element, versions: dict[str, str]) -> str:
    """Name each resource of a copy by type, id and version, as FHIR writes it: the audit keeps it so.

    `versions`: of the sender's resources that it was made from, by id in the copy.
    """
    named = []
    for each in children(copy, "entry"):
        resource = child(each, "resource")
        id = text(resource, "id") or ""
        version = versions.get(id) or version_of(resource)
        said = f"{text(resource, 'resourceType')}/{id}"
        named.append(f"{said}/_history/{version}" if version else said)
    return " ".join(named)


def has_versions(bundle: Element) -> bool:
    """Return True if any resource of the message says which version it is."""
    return any(version_of(child(each, "resource")) for each in children(bundle, "entry"))


def _controllers(message: Message, provenance: Element) -> Iterator[str]:
    for agent in children(provenance, "agent"):
        if CUSTODIAN in codes(child(agent, "type")):
            key = message.organisation(child(agent, "who"))
            if key is not None and _may_be_kept(key):
                yield key


def _types(provenance: Element) -> Iterator[str]:
    for entity in children(provenance, "entity"):
        named = child(child(entity, "what"), "identifier")
        system, value = text(named, "system") or "", text(named, "value")
        if (
            value
            and _may_be_kept(value)
            and any(system == each or system.startswith(f"{each}.") for each in _REGISTER_TYPES)
        ):
            yield f"{system}|{value}"


def _may_be_kept(name: str) -> bool:
    """No identity code of a person, and nothing that would look like two names."""
    return " " not in name and hetu.read(name.rpartition("|")[2]) is None


def _top(key: str, directory: Directory) -> str:
    """Who stands at the top of an organisation's hierarchy; itself where the directory knows no more."""
    seen = {key}
    party = directory.party(key)
    while party is not None and party.part_of is not None and party.part_of not in seen:
        seen.add(party.part_of)
        key, party = party.part_of, directory.party(party.part_of)
    return party.key if party is not None else key
