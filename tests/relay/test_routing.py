"""Routing: the ladder, and everything that is no route. Everybody in here is invented."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.relay import directory, notification, routing
from adapter.relay.directory import RecipientClass
from adapter.relay.routing import Evidence, Recipient, Rung, Unrouted
from tests.relay.notes import BASE, CLINIC, EMPLOYER, OTHER_CLINIC, bundle, concept, organisation, resource

TODAY = date(2026, 3, 4)


def party(key: str, sector: str = "occupational-health", *, active: bool = True) -> dict[str, Any]:
    """An Organization of the directory."""
    kind = [concept(f"{BASE}/CodeSystem/sector", sector)]
    return organisation(key, "Keksitty") | {"id": key[-16:], "active": active, "type": kind}


def affiliation(provider: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A provider that the employer has."""
    return {
        "resourceType": "OrganizationAffiliation",
        "id": f"affiliation-{number}",
        "active": True,
        "organization": {"identifier": {"value": provider}},
        "participatingOrganization": {"identifier": {"system": "urn:oid:1.2.246.10", "value": "1234567-8"}},
        "code": [concept(f"{BASE}/CodeSystem/affiliation-role", "occupational-health-provider")],
        **more,
    }


def route(message: dict[str, Any], *resources: dict[str, Any], reachable: Any = None) -> Any:
    """Route a message by a directory of these resources, reachable unless said otherwise."""
    keys = [CLINIC, OTHER_CLINIC, EMPLOYER] if reachable is None else reachable
    known = directory.read(resources, reachable=keys)
    return routing.recipients_for(notification.read(message), known, TODAY)


def keys(found: Any) -> list[str]:
    """The organisations found."""
    assert isinstance(found, list)
    return [each.organisation for each in found]


def test_ladder_1_the_organisation_named_in_the_message_wins() -> None:
    """The first rung holds although the employer has another provider."""
    message = bundle(recipients=(CLINIC,), employer=EMPLOYER)

    found = route(message, party(CLINIC), party(OTHER_CLINIC), affiliation(OTHER_CLINIC))

    assert keys(found) == [CLINIC]
    assert found[0].evidence.rung is Rung.NAMED


def test_ladder_4_the_employer_leads_to_its_provider() -> None:
    """The second rung: the directory gives the employer's provider, with the affiliation as evidence."""
    found = route(bundle(recipients=(), employer=EMPLOYER), party(CLINIC), affiliation(CLINIC))

    assert found == [
        Recipient(
            organisation=CLINIC,
            recipient_class=RecipientClass.OCCUPATIONAL_HEALTH,
            register=directory.Register.HEALTH,
            evidence=Evidence(rung=Rung.EMPLOYER, detail="OrganizationAffiliation/affiliation-1"),
        )
    ]


EMPLOYER_ONLY = {"recipients": (), "employer": EMPLOYER}
UNROUTED: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "nobody is named": ({"recipients": ()}, [party(CLINIC)], "RT101"),
    "named, not in the directory": ({}, [party(OTHER_CLINIC)], "RT103"),
    "named, not active": ({}, [party(CLINIC, active=False)], "RT104"),
    "one of two is unknown": ({"recipients": (CLINIC, "urn:oid:1.2.246.99.1.2.3")}, [party(CLINIC)], "RT103"),
    "the employer is unknown": (EMPLOYER_ONLY, [party(CLINIC)], "RT106"),
    "the contract has ended": (
        EMPLOYER_ONLY,
        [party(CLINIC), affiliation(CLINIC, period={"end": "2026-03-03"})],
        "RT107",
    ),
    "the contract has not begun": (
        EMPLOYER_ONLY,
        [party(CLINIC), affiliation(CLINIC, period={"start": "2026-03-05"})],
        "RT107",
    ),
    "the affiliation is not active": (
        EMPLOYER_ONLY,
        [party(CLINIC), affiliation(CLINIC, active=False)],
        "RT107",
    ),
    "two providers today": (
        EMPLOYER_ONLY,
        [party(CLINIC), party(OTHER_CLINIC), affiliation(CLINIC), affiliation(OTHER_CLINIC, 2)],
        "RT108",
    ),
    "the provider is not in the directory": (EMPLOYER_ONLY, [affiliation(CLINIC)], "RT103"),
    "the provider is not active": (
        EMPLOYER_ONLY,
        [party(CLINIC, active=False), affiliation(CLINIC)],
        "RT104",
    ),
    "another kind of affiliation": (
        EMPLOYER_ONLY,
        [party(CLINIC), affiliation(CLINIC, code=[concept(f"{BASE}/CodeSystem/affiliation-role", "x")])],
        "RT106",
    ),
}


@pytest.mark.parametrize(("message", "resources", "reason"), UNROUTED.values(), ids=UNROUTED)
def test_ladder_6_what_is_not_certain_is_unrouted(
    message: dict[str, Any], resources: list[dict[str, Any]], reason: str
) -> None:
    """Never a guess, never a broadcast: a person assigns it, and sees why."""
    found = route(bundle(**message), *resources)

    assert isinstance(found, Unrouted)
    assert found.reason == reason


def test_an_organisation_without_a_connection_is_unrouted() -> None:
    """What the directory says of addresses makes nobody reachable."""
    found = route(bundle(), party(CLINIC), reachable=[])

    assert isinstance(found, Unrouted)
    assert found.reason == "RT105"


def test_a_recipient_without_an_identifier_is_unrouted() -> None:
    """A name is no address."""
    message = bundle()
    resource(message, "Communication")["recipient"] = [{"display": "Työterveys Keksitty"}]

    found = route(message, party(CLINIC))

    assert isinstance(found, Unrouted)
    assert found.reason == "RT102"


def test_two_affiliations_with_one_provider_are_one_candidate() -> None:
    """A contract renewed under a new number is not ambiguous."""
    found = route(bundle(**EMPLOYER_ONLY), party(CLINIC), affiliation(CLINIC), affiliation(CLINIC, 2))

    assert keys(found) == [CLINIC]


@pytest.mark.parametrize(
    ("resources", "employer"),
    [
        ([party(EMPLOYER, "employer")], None),
        ([affiliation(CLINIC)], None),
        ([], EMPLOYER),
        ([party(EMPLOYER)], EMPLOYER),
    ],
    ids=["by its class", "by its providers", "by the message", "whatever the directory calls it"],
)
def test_an_employer_named_as_recipient_is_one_of_class_employer(
    resources: list[dict[str, Any]], employer: str | None
) -> None:
    """It comes back as what it is, so that the rule denies it and the sender is told."""
    found = route(bundle(recipients=(EMPLOYER,), employer=employer), *resources)

    assert [each.recipient_class for each in found] == [RecipientClass.EMPLOYER]


def test_the_employer_beside_a_provider_does_not_stop_the_provider() -> None:
    """Occupational health gets its copy although the employer is named too."""
    message = bundle(recipients=(EMPLOYER, CLINIC), employer=EMPLOYER)

    found = route(message, party(CLINIC), party(EMPLOYER, "employer"))

    assert [each.recipient_class for each in found] == [
        RecipientClass.EMPLOYER,
        RecipientClass.OCCUPATIONAL_HEALTH,
    ]


def test_ladder_3_history_proves_no_care() -> None:
    """An earlier message is a proposal to a person and nothing else."""
    assert Rung.HISTORY not in routing.PROVES_CARE


@settings(max_examples=150, deadline=None)
@given(
    named=st.lists(st.sampled_from([CLINIC, OTHER_CLINIC, EMPLOYER, "urn:oid:1.2.246.99.1.2.3"]), max_size=3),
    employer=st.sampled_from([None, EMPLOYER]),
    active=st.booleans(),
    providers=st.lists(st.sampled_from([CLINIC, OTHER_CLINIC]), max_size=3),
)
def test_whoever_is_found_is_named_or_the_employers_provider(
    named: list[str], employer: str | None, active: bool, providers: list[str]
) -> None:
    """No recipient comes out that neither the message nor the directory names, and none by history."""
    resources = [party(CLINIC, active=active), party(OTHER_CLINIC)]
    resources += [affiliation(each, number) for number, each in enumerate(providers)]

    found = route(bundle(recipients=tuple(named), employer=employer), *resources)

    if isinstance(found, list):
        allowed = set(named) if named else set(providers)
        assert {each.organisation for each in found} <= allowed
        assert all(each.evidence.rung in (Rung.NAMED, Rung.EMPLOYER) for each in found)
        assert len(found) <= max(len(named), 1)


@pytest.mark.parametrize("text", [None, "", "named", "somehow:x", ":x"])
def test_what_is_no_evidence_is_read_as_none(text: str | None) -> None:
    """A delivery whose evidence cannot be read has none."""
    assert Evidence.read(text) is None


def test_evidence_is_read_as_it_was_written() -> None:
    """What a delivery keeps comes back whole."""
    evidence = Evidence(rung=Rung.ASSIGNED, detail="puhelu 4.3.: potilas vahvisti")

    assert Evidence.read(str(evidence)) == evidence
