"""Routing: the ladder, and everything that is no route. Everybody in here is invented."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.relay import directory, notification, routing
from adapter.relay.directory import RecipientClass
from adapter.relay.routing import Confidence, Evidence, Recipient, Rung, Unrouted
from tests.relay.notes import (
    BASE,
    CLINIC,
    EMPLOYER,
    HOSPITAL,
    OTHER_CLINIC,
    bundle,
    concept,
    organisation,
    resource,
)

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


REFERRED = {"recipients": (), "employer": EMPLOYER, "referrers": (CLINIC,)}


def referral(message: dict[str, Any]) -> dict[str, Any]:
    """The referral that came in."""
    [found] = [each["resource"] for each in message["entry"] if each["fullUrl"] == "urn:referral-0"]
    return found


REGISTER = "urn:oid:1.2.246.537.5.40150"


def kept_for(
    message: dict[str, Any], *employers: str, register: str = "4", system: str = REGISTER
) -> dict[str, Any]:
    """The message with a Provenance of its referral: kept in a register of occupational health."""
    for each in employers:
        named = [(system, register), ("urn:oid:1.2.246.10", each)]
        entity = [
            {"role": "source", "what": {"identifier": {"system": kind, "value": value}}}
            for kind, value in named
        ]
        custody = {
            "resourceType": "Provenance",
            "target": [{"reference": "urn:referral-0"}],
            "recorded": "2026-02-20T10:00:00+02:00",
            "entity": entity,
        }
        message["entry"].append({"fullUrl": f"urn:custody-{each}", "resource": custody})
    return message


def test_ladder_2_the_referral_leads_back_to_occupational_health() -> None:
    """Who sent the referral comes before the employer's provider, with the referral as evidence."""
    found = route(bundle(**REFERRED), party(CLINIC), party(OTHER_CLINIC), affiliation(OTHER_CLINIC))

    assert [(each.organisation, each.evidence.rung, each.evidence.confidence) for each in found] == [
        (CLINIC, Rung.REFERRAL, Confidence.DOCUMENTED)
    ]
    assert found[0].evidence.detail.endswith("].resource.requester")


def test_ladder_2_the_referral_that_a_visit_satisfies_counts_too() -> None:
    """R4 Encounter.basedOn is the referral that brought the patient."""
    message = bundle(**REFERRED)
    communication = resource(message, "Communication")
    visit = {"resourceType": "Encounter", "basedOn": communication.pop("basedOn")}
    communication["encounter"] = {"reference": "urn:visit"}
    message["entry"].append({"fullUrl": "urn:visit", "resource": visit})

    assert keys(route(message, party(CLINIC))) == [CLINIC]


OVER = [{"period": {"end": "2026-03-03"}}, {"active": False}]
PASSED_OVER: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "unknown": ([], {}, "RT121"),
    "a health centre": ([party(CLINIC, "primary-care")], {}, "RT121"),
    "an employer": ([party(CLINIC, "employer")], {}, "RT121"),
    "not active": ([party(CLINIC, active=False)], {}, "RT122"),
    **{
        f"no contract: {over}": ([party(CLINIC), affiliation(CLINIC, 2, **over)], {}, "RT122")
        for over in OVER
    },
    "no requester": ([party(CLINIC)], {"requester": {"display": "Työterveys"}}, "RT119"),
    "revoked": ([party(CLINIC)], {"status": "revoked"}, "RT120"),
    "never sent": ([party(CLINIC)], {"status": "draft"}, "RT120"),
    "forbids": ([party(CLINIC)], {"doNotPerform": True}, "RT120"),
    "about nobody": ([party(CLINIC)], {"subject": {"display": "Erkki"}}, "RT120"),
    "about somebody else": ([party(CLINIC)], {"subject": {"reference": "urn:hospital"}}, "RT120"),
}


@pytest.mark.parametrize(("resources", "changed", "code"), PASSED_OVER.values(), ids=PASSED_OVER)
def test_ladder_2_a_referral_that_proves_nothing_leaves_it_to_the_next_rung(
    resources: list[dict[str, Any]], changed: dict[str, Any], code: str
) -> None:
    """The employer decides then, and what was passed over is said; without an employer it is a person's."""
    message, alone = bundle(**REFERRED), bundle(**REFERRED | {"employer": None})
    for each in (message, alone):
        referral(each).update(changed)

    found = route(message, *resources, party(OTHER_CLINIC), affiliation(OTHER_CLINIC))
    nobody = route(alone)

    assert (keys(found), found[0].evidence.rung) == ([OTHER_CLINIC], Rung.EMPLOYER)
    assert [each.code for each in found[0].passed] == [code]
    assert nobody.reason == "RT101"


HELD_UP: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "it has no connection": (REFERRED, [OTHER_CLINIC], "RT105"),
    "two sent one": (REFERRED | {"referrers": (CLINIC, OTHER_CLINIC)}, [CLINIC, OTHER_CLINIC], "RT123"),
}


@pytest.mark.parametrize(("message", "reachable", "reason"), HELD_UP.values(), ids=HELD_UP)
def test_ladder_2_a_referral_that_proves_somebody_out_of_reach_waits_for_a_person(
    message: dict[str, Any], reachable: list[str], reason: str
) -> None:
    """The next rung would find somebody else than the one that has the patient in its care."""
    resources = [party(CLINIC), party(OTHER_CLINIC), affiliation(OTHER_CLINIC)]

    assert route(bundle(**message), *resources, reachable=reachable).reason == reason


def test_ladder_2_the_hospitals_own_order_is_no_referral() -> None:
    """Nor is it said to have been passed over."""
    message = bundle(**REFERRED | {"referrers": (HOSPITAL,)})
    known = directory.read([party(CLINIC), affiliation(CLINIC)], reachable=[CLINIC])

    [found] = routing.recipients_for(notification.read(message), known, TODAY, HOSPITAL)

    assert (found.evidence.rung, found.passed) == (Rung.EMPLOYER, ())


@pytest.mark.parametrize("requester", [{"requester": {"reference": "urn:hospital"}}, {"requester": {}}])
def test_ladder_2_a_referral_that_the_message_sends_on_came_from_nobody(requester: dict[str, Any]) -> None:
    """A work-ability referral is based on what the hospital asks of occupational health."""
    message = bundle(**REFERRED)
    referral(message).update(
        {"code": concept(f"{BASE}/CodeSystem/oh-request", "assess-work-ability"), **requester}
    )

    assert notification.read(message).referrals == ()


def test_ladder_2_a_referral_that_is_not_in_the_message_is_said_to_prove_nothing() -> None:
    """A number of a referral names no organisation; a plan that it is based on is no referral."""
    message = bundle(**EMPLOYER_ONLY)
    resource(message, "Communication")["basedOn"] = [
        {"type": "ServiceRequest", "identifier": {"system": "urn:referrals", "value": "7"}},
        {"reference": "CarePlan/1"},
    ]

    [found] = route(message, party(CLINIC), affiliation(CLINIC))

    assert [each.code for each in found.passed] == ["RT119"]


NO_EMPLOYER = {"recipients": (), "referrers": (None,)}
REGISTERS: dict[str, tuple[dict[str, Any], Any]] = {
    "one employer": (kept_for(bundle(**NO_EMPLOYER), "1234567-8"), Rung.REGISTER),
    "edition of the codes": (
        kept_for(bundle(**NO_EMPLOYER), "1234567-8", system=f"{REGISTER}.2009"),
        Rung.REGISTER,
    ),
    "the message names it": (
        kept_for(bundle(**NO_EMPLOYER | {"employer": EMPLOYER}), "7654321-0"),
        Rung.EMPLOYER,
    ),
    "another register": (kept_for(bundle(**NO_EMPLOYER), "1234567-8", register="2"), "RT101"),
    "no business id": (kept_for(bundle(**NO_EMPLOYER), "Keksitty Oy"), "RT101"),
    "two employers": (kept_for(bundle(**NO_EMPLOYER), "1234567-8", "7654321-0"), "RT124"),
    "an employer nobody serves": (kept_for(bundle(**NO_EMPLOYER), "7654321-0"), "RT106"),
}


@pytest.mark.parametrize(("message", "expected"), REGISTERS.values(), ids=REGISTERS)
def test_ladder_5_the_register_of_the_referral_names_the_employer(
    message: dict[str, Any], expected: Rung | str
) -> None:
    """A register of occupational health is kept for an employer; the directory gives that one's provider."""
    found = route(message, party(CLINIC), affiliation(CLINIC))

    assert (found.reason if isinstance(found, Unrouted) else found[0].evidence.rung) == expected


def test_ladder_5_a_register_says_nothing_of_a_referral_that_was_taken_back() -> None:
    """Nor does the register of anything else in the message: it may be of a job long past."""
    revoked, other = (kept_for(bundle(**NO_EMPLOYER), "1234567-8") for _ in range(2))
    referral(revoked)["status"] = "revoked"
    other["entry"][-1]["resource"]["target"] = [{"reference": "urn:diagnosis"}]

    found = [route(each, party(CLINIC), affiliation(CLINIC)) for each in (revoked, other)]

    assert [each.reason for each in found] == ["RT101", "RT101"]


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
def test_ladder_6_h5_what_is_not_certain_is_unrouted(
    message: dict[str, Any], resources: list[dict[str, Any]], reason: str
) -> None:
    """Never a guess, never a broadcast: a person assigns it, and sees why."""
    found = route(bundle(**message), *resources)

    assert isinstance(found, Unrouted)
    assert found.reason == reason


def test_h5_an_organisation_without_a_connection_is_unrouted() -> None:
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
    """An earlier message is a proposal to a person and nothing else; every other rung is evidence."""
    assert set(Rung) - routing.PROVES_CARE == {Rung.HISTORY}


@settings(max_examples=150, deadline=None)
@given(
    named=st.lists(st.sampled_from([CLINIC, OTHER_CLINIC, EMPLOYER, "urn:oid:1.2.246.99.1.2.3"]), max_size=3),
    employer=st.sampled_from([None, EMPLOYER]),
    referrers=st.lists(st.sampled_from([CLINIC, OTHER_CLINIC, HOSPITAL, None]), max_size=2),
    status=st.sampled_from(["active", "revoked"]),
    sector=st.sampled_from(["occupational-health", "primary-care"]),
    active=st.booleans(),
    providers=st.lists(st.sampled_from([CLINIC, OTHER_CLINIC]), max_size=3),
)
def test_whoever_is_found_is_named_or_the_referrer_or_the_employers_provider(
    named: list[str],
    employer: str | None,
    referrers: list[str | None],
    status: str,
    sector: str,
    active: bool,
    providers: list[str],
) -> None:
    """No recipient comes out that neither the message nor the directory names, and none by history."""
    resources = [party(CLINIC, active=active), party(OTHER_CLINIC, sector)]
    resources += [affiliation(each, number) for number, each in enumerate(providers)]
    message = bundle(recipients=tuple(named), employer=employer, referrers=tuple(referrers))
    if referrers:
        referral(message)["status"] = status

    found = route(message, *resources)

    if isinstance(found, list):
        live = set(referrers[1:] if status == "revoked" else referrers) & {CLINIC, OTHER_CLINIC}
        live -= set() if active else {CLINIC}
        live -= set() if sector == "occupational-health" else {OTHER_CLINIC}
        allowed = {
            Rung.NAMED: set(named),
            Rung.REFERRAL: set() if named else live,
            Rung.EMPLOYER: set(providers) if employer and not named else set(),
        }
        assert all(each.organisation in allowed[each.evidence.rung] for each in found)
        assert len(found) <= max(len(named), 1)


@pytest.mark.parametrize("text", [None, "", "named", "somehow:x", ":x"])
def test_what_is_no_evidence_is_read_as_none(text: str | None) -> None:
    """A delivery whose evidence cannot be read has none."""
    assert Evidence.read(text) is None


def test_evidence_is_read_as_it_was_written() -> None:
    """What a delivery keeps comes back whole."""
    evidence = Evidence(rung=Rung.ASSIGNED, detail="puhelu 4.3.: potilas vahvisti")

    assert Evidence.read(str(evidence)) == evidence
