"""Assessments and plans on the way of every message: routed, decided, versioned, delivered, taken back.

Everybody in here is invented.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir import json as fhir_json
from adapter.relay import event, intake, rendering
from adapter.relay.message import DeliveryState, Kind
from tests.relay import network, site
from tests.relay.network import KELA, TYOLLISYYS, VUORELA, deliver, fates, fixture, send, told
from tests.relay.site import KASKELA, TUULILAHTI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay

PLAN = fixture("shared-plan")
BY_OH = fixture("shared-plan-revised-occupational-health")
BY_EMPLOYMENT = fixture("shared-plan-revised-employment")
ASSESSED = fixture("back-surgery-told")
ENVELOPE = ("urn:uuid:9b6df6d9-f1af-5823-a94b-a6a83ba8ca9b", "urn:uuid:9b6df6d9-f1af-5823-a94b-a6a83ba80000")
"""The id of the message that `PLAN` is, and another."""


@pytest.fixture
def relay(folder: Path) -> Iterator[Relay]:
    """The network with a store of its own, on either engine."""
    made = network.relay_in(folder)
    yield made
    made.store.close()


def copy(relay: Relay, delivery: str) -> dict[str, Any]:
    """What a delivery carries."""
    body, _ = rendering.rendered(delivery, "fhir", relay, relay.clock.now())
    found = fhir_json.read(body)
    assert isinstance(found, dict)
    return found


def kinds(made: dict[str, Any]) -> set[str]:
    """The resource types of a copy."""
    return {each["resource"]["resourceType"] for each in made["entry"]}


# Routing --------------------------------------------------------------------------------------------------


def test_a_plan_goes_to_its_care_team_and_to_each_sector_by_its_own_ground(relay: Relay) -> None:
    """The consent names occupational health and employment services, the application is to Kela."""
    answer = send(relay, VUORELA, PLAN)

    assert (answer.status, fates(relay, answer)) == (
        200,
        {"tuulilahti": "CO106", "kaskela": "clinical", "kela": "clinical", "tyollisyys": "minimal"},
    )


def test_a_person_assigns_a_plan_that_waited(relay: Relay) -> None:
    """Kela is unknown, so nobody is told; the one whom a person names gets it, as far as the consent lets."""
    answer = send(relay, VUORELA, PLAN, "xml", (KELA, KELA[:-4] + "0000"))
    assert answer.message is not None
    assert told(relay, answer) == {}

    fate = intake.assign(answer.message, KASKELA, relay, actor="koordinaattori", evidence="asiakas vahvisti")

    assert (fate.state, fate.level and fate.level.value) == (DeliveryState.QUEUED, "clinical")


def test_d1_no_agreement_no_assessment(relay: Relay) -> None:
    """The pair has agreed on nothing the other way round."""
    sent = (("urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db", VUORELA),)
    answer = send(relay, KASKELA, ASSESSED, "json", *sent)

    assert site.codes(answer.body) == ["PN203"]


# Consent --------------------------------------------------------------------------------------------------


def test_d6_a_withdrawal_stops_a_plan_that_is_queued(relay: Relay) -> None:
    """Withdrawn after the plan was accepted and before it is sent: nothing leaves, and the sender hears."""
    answer = send(relay, VUORELA, PLAN)
    network.consent(relay, "s-2026-0312", status="inactive")

    deliver(relay)

    assert answer.message is not None
    reports = [each for each in relay.store.deliveries(answer.message) if each.kind is Kind.DELIVERY_REPORT]
    assert [each.recipient for each in reports] == [VUORELA] * 2
    states = {name: each.state.value for name, each in told(relay, answer).items()}
    assert states == {
        "tuulilahti": "withheld", "kaskela": "withheld", "kela": "acknowledged", "tyollisyys": "withheld",
    }  # fmt: skip


def test_d6_a_consent_to_notifications_lets_no_plan_go(relay: Relay) -> None:
    """It has to say that it is about plans."""
    [found] = [each for each in site.demo_files("consents") if each["id"] == "s-2026-0312"]
    provision = {name: value for name, value in found["provision"].items() if name != "class"}
    network.consent(relay, "s-2026-0312", provision=provision)

    answer = send(relay, VUORELA, PLAN)

    assert fates(relay, answer)["kaskela"] == "CO122"


# What each gets -------------------------------------------------------------------------------------------


def test_d7_each_sector_gets_its_own_copy(relay: Relay) -> None:
    """Occupational health and Kela the diagnosis, employment services goals and services alone."""
    answer = send(relay, VUORELA, PLAN)
    made = {name: copy(relay, each.id) for name, each in told(relay, answer).items() if each.level}

    assert {name: "Condition" in kinds(each) for name, each in made.items()} == {
        "kaskela": True,
        "kela": True,
        "tyollisyys": False,
    }


def test_an_assessment_arrives_and_nobody_is_asked_to_take_over(relay: Relay) -> None:
    """It is acknowledged, and no case waits for an answer."""
    answer = send(relay, KASKELA, ASSESSED, "json")

    deliver(relay)

    assert told(relay, answer)["tuulilahti"].state is DeliveryState.ACKNOWLEDGED
    assert relay.store.cases() == []


@pytest.mark.parametrize(("change", "event_code", "meaning"), [
    ((), event.ASSESSMENT, "done"),
    ((('"final"', '"amended"'), ('"AE-back-surgery-told"', '"AE-2"')), event.CORRECTION, "update"),
    ((('"final"', '"entered-in-error"'), ('"AE-back-surgery-told"', '"AE-3"')), event.CANCEL, "cancel"),
])  # fmt: skip
def test_an_assessment_is_told_corrected_and_taken_back(
    relay: Relay, change: tuple[tuple[str, str], ...], event_code: str, meaning: str
) -> None:
    """The copy says what it is, under one id; rules and agreement know each as an assessment."""
    first = send(relay, KASKELA, ASSESSED, "json")
    deliver(relay)
    answer = send(relay, KASKELA, ASSESSED, "json", *change) if change else first
    deliver(relay)
    assert answer.message is not None
    row = relay.store.message(answer.message)
    header, panel = (
        each["resource"] for each in copy(relay, told(relay, answer)["tuulilahti"].id)["entry"][:2]
    )

    assert (row.event, row.meaning and row.meaning.value) == (event.ASSESSMENT, meaning)
    assert header["eventCoding"]["code"] == event_code
    assert (
        panel["identifier"]
        == copy(relay, told(relay, first)["tuulilahti"].id)["entry"][1]["resource"]["identifier"]
    )


# Versions -------------------------------------------------------------------------------------------------


def test_an_update_of_the_newest_version_goes_on(relay: Relay) -> None:
    """Whoever sends it: occupational health got version 1 and sends version 2."""
    send(relay, VUORELA, PLAN)

    answer = send(relay, KASKELA, BY_OH)

    assert (answer.status, fates(relay, answer)) == (200, {"vuorela": "clinical"})


@pytest.fixture
def two_revisions(relay: Relay) -> tuple[Relay, str, Any]:
    """Version 1, its revision by occupational health, and the answer to that by employment services."""
    send(relay, VUORELA, PLAN)
    newest = send(relay, KASKELA, BY_OH).message
    assert newest is not None
    return relay, newest, send(relay, TYOLLISYYS, BY_EMPLOYMENT)


def test_q2_a_stale_base_is_refused_and_says_why(two_revisions: tuple[Relay, str, Any]) -> None:
    """409 with the place of the version in the sender's own file."""
    _, newest, answer = two_revisions

    assert (answer.status, site.codes(answer.body)) == (409, ["PN161"])
    assert "/korvaa" in answer.body.decode()
    assert newest not in answer.body.decode()


def test_both_versions_are_kept(two_revisions: tuple[Relay, str, Any]) -> None:
    """The refused one beside the newest, byte for byte."""
    relay, newest, _ = two_revisions
    [kept] = relay.store.conflicts(newest)

    assert (kept.sender, relay.store.conflict_content(kept.id)) == (TYOLLISYYS, BY_EMPLOYMENT)


def test_a_stale_version_sent_again_is_kept_once(two_revisions: tuple[Relay, str, Any]) -> None:
    """The same answer, and no second row."""
    relay, newest, _ = two_revisions

    answer = send(relay, TYOLLISYYS, BY_EMPLOYMENT)

    assert (answer.status, len(relay.store.conflicts(newest))) == (409, 1)


def test_what_was_brought_together_goes_on(two_revisions: tuple[Relay, str, Any]) -> None:
    """Version 3, based on version 2."""
    relay, _, _ = two_revisions
    base = 'tunniste="urn:uuid:13a6fbad-4e5b-5591-a6c6-f658024aa0ea" versio="{}"'
    merged = ((base.format(2), base.format(3)), (f"<korvaa {base.format(1)}", f"<korvaa {base.format(2)}"))

    answer = send(relay, TYOLLISYYS, BY_EMPLOYMENT, "xml", *merged)

    assert (answer.status, fates(relay, answer)) == (200, {"vuorela": "clinical"})


def test_a_repeat_of_an_accepted_update_is_no_stale_one(relay: Relay) -> None:
    """A new envelope around the same version: the stored answer, nothing sent twice."""
    send(relay, VUORELA, PLAN)
    first = send(relay, KASKELA, BY_OH)

    again = send(
        relay,
        KASKELA,
        BY_OH,
        "xml",
        ("95339ba6-f36e-5b26-bbca-9def283c9a4f", "95339ba6-f36e-5b26-bbca-9def283c0000"),
    )

    assert (again.status, again.message) == (200, first.message)


def test_two_updates_at_the_same_moment_do_not_both_win(relay: Relay) -> None:
    """One is accepted, the other refused, whichever comes first."""
    send(relay, VUORELA, PLAN)

    with ThreadPoolExecutor(2) as pool:
        sent = [
            pool.submit(send, relay, sender, body)
            for sender, body in ((KASKELA, BY_OH), (TYOLLISYYS, BY_EMPLOYMENT))
        ]
        statuses = sorted(each.result().status for each in sent)

    assert statuses == [200, 409]


def test_the_first_version_once_more_with_other_content_is_refused(relay: Relay) -> None:
    """Version 1 is here already."""
    send(relay, VUORELA, PLAN)

    answer = send(relay, VUORELA, PLAN, "xml", ENVELOPE, ("Kävely ilman apuvälinettä.", "Kävely."))

    assert (answer.status, site.codes(answer.body)) == (409, ["ST120"])


def test_a_stranger_learns_nothing_by_the_id_of_a_plan(relay: Relay) -> None:
    """The hospital was told nothing of the plan: what it sends under its id is a plan of its own."""
    send(relay, VUORELA, PLAN)

    answer = send(
        relay,
        TUULILAHTI,
        BY_OH,
        "xml",
        (f'lahettaja tunniste="{KASKELA}"', f'lahettaja tunniste="{TUULILAHTI}"'),
    )

    assert answer.status == 200


def test_a_plan_taken_back_is_taken_back_from_whoever_had_it(relay: Relay) -> None:
    """Those who got it get the cancellation; whom it was withheld from hears nothing."""
    send(relay, VUORELA, PLAN)
    deliver(relay)

    gone = ('versio="1" tila="voimassa">', 'versio="2" tila="peruttu">')
    answer = send(relay, VUORELA, PLAN, "xml", ENVELOPE, gone)

    assert set(told(relay, answer)) == {"kaskela", "kela", "tyollisyys"}


# FHIR -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sender", "artefact"), [
    ("plan/expected/shared-plan", VUORELA, "client-plan"),
    ("assessment/expected/back-surgery-told", KASKELA, "assessment"),
])  # fmt: skip
def test_the_fhir_door_takes_what_the_maps_make(relay: Relay, name: str, sender: str, artefact: str) -> None:
    """A client that speaks FHIR already sends the same message."""
    from adapter.shipped import folder

    body = (folder("fixtures") / f"{name}.json").read_bytes()
    answer = send(relay, sender, body, "fhir")
    assert answer.message is not None

    assert (answer.status, relay.store.message(answer.message).event) == (200, artefact)
    assert any(each.level for each in told(relay, answer).values())
