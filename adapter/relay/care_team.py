"""The care team of a plan or an assessment: which organisations the patient and the services have agreed on.

Only organisations receive. A person of the team speaks for the organisation behind, `onBehalfOf`; the client
and relatives stand in the team, and get nothing by it. Somebody named without an organisation that can be
told from others is in the answer with no key, because a person has to say who is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhir.canonical import code_system
from adapter.relay.directory import key_of
from adapter.relay.element import child, children, codes, day_of, numbered, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from adapter.relay.element import Element
    from adapter.relay.message_bundle import Message

CARE_ROLE = code_system("care-role")
_OWN_ROLES = ("client", "relative", "guardian", "peer", "supervisor")
"""Roles of people who stand in a team for themselves: without `onBehalfOf` nobody is to be told by them."""
_NOT_ORGANISED = ("Patient", "RelatedPerson")
_IN_FORCE = (None, "active")
"""CareTeam.status of a team that is one now; one that does not say is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamMember:
    """One participant of a team, as an organisation."""

    key: str | None
    """None if nobody can say by an identifier which organisation it is."""
    at: str
    """FHIRPath of what names it."""
    start: date | None = None
    end: date | None = None
    """The last day."""
    is_in_force: bool = True
    """False if the team itself is over, not begun or entered in error."""

    def has_left(self, on: date) -> bool:
        """Return True if it was in the team before that day and is no more."""
        return self.end is not None and self.end < on

    def is_to_come(self, on: date) -> bool:
        """Return True if it joins the team after that day."""
        return self.start is not None and on < self.start


def members_of(message: Message, at: str, focus: Element) -> Iterator[TeamMember]:
    """Yield the organisations in the care teams of a plan. R4 CarePlan.careTeam, CareTeam.participant.

    A team that is referred to and not in the message is one member without a key.
    """
    for index, reference in numbered(focus, "careTeam"):
        where, team = _team(message, f"{at}.careTeam[{index}]", reference, focus)
        if team.get("resourceType") != "CareTeam":
            yield TeamMember(key=None, at=where)
            continue
        in_force = text(team, "status") in _IN_FORCE
        for number, participant in numbered(team, "participant"):
            member = _member(message, f"{where}.participant[{number}]", participant)
            if member is not None:
                key, place = member
                period = child(participant, "period")
                yield TeamMember(
                    key=key,
                    at=place,
                    start=day_of(text(period, "start")),
                    end=day_of(text(period, "end")) or _end_of(child(team, "period")),
                    is_in_force=in_force,
                )


def _end_of(period: Element) -> date | None:
    return day_of(text(period, "end"))


def _team(message: Message, at: str, reference: Element, focus: Element) -> tuple[str, Element]:
    """Return the team a reference leads to, in the Bundle or contained, with its FHIRPath."""
    named = text(reference, "reference") or ""
    if named.startswith("#"):
        for index, contained in numbered(focus, "contained"):
            if contained.get("id") == named[1:]:
                return f"{at.rpartition('.careTeam')[0]}.contained[{index}]", contained
    found = message.resolve(reference)
    return next((where for where, each in message.entries if each is found), at), found


def _member(message: Message, at: str, participant: Element) -> tuple[str | None, str] | None:
    """Return the organisation of a participant and where it is named; None for who is no organisation's."""
    behalf, member = child(participant, "onBehalfOf"), child(participant, "member")
    if behalf:
        return message.organisation(behalf), f"{at}.onBehalfOf"
    target = message.resolve(member)
    kind = target.get("resourceType") or text(member, "type") or _kind_of(member)
    is_named = any(name in member for name in ("reference", "identifier", "display"))
    if kind in _NOT_ORGANISED or not is_named or _has_own_role(participant):
        return None
    if kind == "Organization" or target.get("resourceType") == "PractitionerRole":
        return message.organisation(member), f"{at}.member"
    # An identifier of a person is no organisation's.
    identifier = child(member, "identifier")
    key = key_of(identifier) if kind is None and identifier and not target else None
    return key, f"{at}.member"


def _kind_of(reference: Element) -> str | None:
    """The type that a literal reference names, `Patient/1`; None where it names none."""
    parts = (text(reference, "reference") or "").split("/")
    return parts[-2] if len(parts) > 1 and parts[-2][:1].isupper() else None


def _has_own_role(participant: Element) -> bool:
    return any(
        (CARE_ROLE, code) in codes(role) for role in children(participant, "role") for code in _OWN_ROLES
    )
