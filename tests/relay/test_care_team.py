"""Whom a plan or an assessment goes to: named organisations, else the care team of today.

Everybody in here is invented.
"""

from __future__ import annotations

import copy
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir import json as fhir_json
from adapter.relay import directory, notification, routing
from adapter.relay.consent import Deny
from adapter.relay.directory import RecipientClass
from adapter.relay.routing import Rung, Unrouted
from adapter.shipped import folder
from tests.relay import site
from tests.relay.network import KELA, NAMES, TYOLLISYYS, VUORELA
from tests.relay.site import KASKELA, METSOLA, TUULILAHTI

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.relay.directory import Directory
    from adapter.relay.routing import Recipient

TODAY = date(2026, 3, 20)


@cache
def known() -> Directory:
    """The directory of the demo, everybody of the network reachable."""
    return directory.read(site.demo_files("partners"), reachable=NAMES)


@cache
def _read(name: str) -> dict[str, Any]:
    made = fhir_json.read((folder("fixtures") / f"{name}.json").read_bytes())
    assert isinstance(made, dict)
    return made


def plan() -> dict[str, Any]:
    """The shared plan as a message."""
    return copy.deepcopy(_read("plan/expected/shared-plan"))


def find(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first resource of a type."""
    found: dict[str, Any] = next(
        each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind
    )
    return found


def routed(bundle: dict[str, Any], sender: str = VUORELA) -> list[Recipient] | Unrouted:
    """Who is to get it today."""
    return routing.recipients_for(notification.read(bundle), known(), TODAY, sender)


def keys(found: list[Recipient] | Unrouted) -> list[str]:
    """The organisations, or the codes of why nobody was found."""
    if isinstance(found, Unrouted):
        return [each.code for each in found.issues]
    return [each.organisation for each in found]


def participant(bundle: dict[str, Any], unit: str) -> dict[str, Any]:
    """The participant of the team who is there for a unit."""
    found: dict[str, Any] = next(
        each for each in find(bundle, "CareTeam")["participant"] if unit in str(each.get("onBehalfOf"))
    )
    return found


def test_a_plan_goes_to_the_organisations_of_its_care_team() -> None:
    """Without the one that sends, without the client and relatives."""
    assert keys(routed(plan())) == [TUULILAHTI, KASKELA, KELA, TYOLLISYYS]


def test_d24_each_recipient_has_the_participant_as_evidence() -> None:
    """Rung and place."""
    found = routed(plan())
    assert not isinstance(found, Unrouted)

    assert {each.evidence.rung for each in found} == {Rung.CARE_TEAM}
    assert found[0].evidence.detail == "Bundle.entry[15].resource.participant[2].onBehalfOf"


def test_whoever_sends_is_left_out() -> None:
    """Occupational health sends the next version: social services get it then."""
    assert keys(routed(plan(), KASKELA)) == [VUORELA, TUULILAHTI, KELA, TYOLLISYYS]


def test_named_recipients_win_over_the_team() -> None:
    """The sender says who is to have it: nobody else is told."""
    made = plan()
    receiver = {"identifier": {"value": KASKELA}}
    find(made, "MessageHeader")["destination"] = [{"endpoint": "urn:x", "receiver": receiver}]

    assert keys(routed(made)) == [KASKELA]


def test_who_has_left_gets_nothing() -> None:
    """The last day in the team is included."""
    left, stays = plan(), plan()
    participant(left, TUULILAHTI)["period"] = {"end": "2026-03-19"}
    participant(stays, TUULILAHTI)["period"] = {"end": "2026-03-20"}

    assert [TUULILAHTI in keys(routed(each)) for each in (left, stays)] == [False, True]


def test_d8_an_employer_in_the_team_comes_back_as_one() -> None:
    """So that the rule denies it by name."""
    made = plan()
    participant(made, TUULILAHTI)["onBehalfOf"] = {"identifier": {"value": METSOLA}}
    found = routed(made)
    assert not isinstance(found, Unrouted)

    assert found[0].recipient_class is RecipientClass.EMPLOYER
    assert Deny(reasons=("CO109",)).reason == "CO109"


def _unknown(bundle: dict[str, Any]) -> None:
    participant(bundle, KELA)["onBehalfOf"] = {"identifier": {"value": "urn:oid:1.2.246.10.404"}}


def _without_unit(bundle: dict[str, Any]) -> None:
    del participant(bundle, KELA)["onBehalfOf"]


def _by_name(bundle: dict[str, Any]) -> None:
    participant(bundle, KELA)["onBehalfOf"] = {"display": "Kela"}


def _elsewhere(bundle: dict[str, Any]) -> None:
    participant(bundle, KELA)["onBehalfOf"] = {"reference": "https://other.example/fhir/Organization/1"}


def _to_come(bundle: dict[str, Any]) -> None:
    participant(bundle, KELA)["period"] = {"start": "2026-03-21"}


def _suspended(bundle: dict[str, Any]) -> None:
    find(bundle, "CareTeam")["status"] = "suspended"


def _team_elsewhere(bundle: dict[str, Any]) -> None:
    find(bundle, "CarePlan")["careTeam"] = [{"reference": "https://other.example/fhir/CareTeam/1"}]


def _no_team(bundle: dict[str, Any]) -> None:
    del find(bundle, "CarePlan")["careTeam"]


def _all_left(bundle: dict[str, Any]) -> None:
    for each in find(bundle, "CareTeam")["participant"]:
        each["period"] = {"end": "2026-03-01"}


def _identifier_of_a_person(bundle: dict[str, Any]) -> None:
    made = participant(bundle, KELA)
    del made["onBehalfOf"]
    made["member"] = {"type": "Practitioner", "identifier": {"value": KASKELA}}


UNROUTED: dict[str, tuple[Callable[[dict[str, Any]], None], set[str]]] = {
    "an organisation nobody knows": (_unknown, {"RT103"}),
    "a professional of no organisation": (_without_unit, {"RT102"}),
    "an organisation by its name alone": (_by_name, {"RT102"}),
    "an organisation that is not in the message": (_elsewhere, {"RT102"}),
    "somebody who joins tomorrow": (_to_come, {"RT116"}),
    "a team that is suspended": (_suspended, {"RT116"}),
    "a team that is not in the message": (_team_elsewhere, {"RT102"}),
    "no team": (_no_team, {"RT115"}),
    "a team that everybody has left": (_all_left, {"RT117"}),
    "a professional by the identifier of an organisation": (_identifier_of_a_person, {"RT102"}),
}


@pytest.mark.parametrize(("change", "codes"), UNROUTED.values(), ids=UNROUTED)
def test_what_is_unknown_or_stale_is_for_a_person(
    change: Callable[[dict[str, Any]], None], codes: set[str]
) -> None:
    """Nobody is told on a guess, not even those of the team who are known."""
    made = plan()
    change(made)

    assert set(keys(routed(made))) == codes


def test_the_client_a_relative_and_a_superior_are_no_organisations() -> None:
    """By the role alone too, where the member is only named."""
    made = plan()
    role = {"coding": [{"system": "https://silta.example/fhir/CodeSystem/care-role", "code": "supervisor"}]}
    find(made, "CareTeam")["participant"].append({"role": [role], "member": {"display": "Esihenkilö"}})

    assert keys(routed(made)) == keys(routed(plan()))


def test_a_team_within_the_plan_is_read_too() -> None:
    """Contained, as plans of other systems have it."""
    made = plan()
    team, focus = find(made, "CareTeam"), find(made, "CarePlan")
    made["entry"] = [each for each in made["entry"] if each["resource"] is not team]
    focus["contained"] = [team | {"id": "team"}]
    focus["careTeam"] = [{"reference": "#team"}]

    assert keys(routed(made)) == keys(routed(plan()))


def test_an_assessment_has_the_recipients_it_names() -> None:
    """And nobody else: no employer, no history."""
    named, unnamed = (
        _read("assessment/expected/back-surgery-told"),
        _read("assessment/expected/back-surgery-before"),
    )

    assert [keys(routed(each, KASKELA)) for each in (named, unnamed)] == [[TUULILAHTI], ["RT115"]]
