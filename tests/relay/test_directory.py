"""The partner directory. Everybody in here is invented."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapter.relay import directory
from adapter.relay.directory import RecipientClass, Register
from tests.relay.notes import BASE, CLINIC, EMPLOYER, concept, organisation

OID = "1.2.246.10.2222222.10.1"


@pytest.mark.parametrize(
    "identifier",
    [
        {"system": "urn:oid:1.2.246.537.6.202", "value": f"urn:oid:{OID}"},
        {"system": "urn:oid:1.2.246.537.6.202.2008", "value": f"urn:oid:{OID}"},
        {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{OID}"},
        {"system": "urn:oid:1.2.246.537.6.202", "value": OID},
        {"value": OID},
    ],
)
def test_every_spelling_of_the_register_gives_one_key(identifier: dict[str, str]) -> None:
    """Three systems and a bare OID name the same organisation."""
    assert directory.key_of(identifier) == CLINIC


@pytest.mark.parametrize(
    ("identifier", "key"),
    [
        ({"system": "urn:oid:1.2.246.10", "value": "1234567-8"}, EMPLOYER),
        (
            {"value": "urn:uuid:2DEE15F3-a33c-5c90-8b63-536933ec04db"},
            "urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db",
        ),
        ({"system": "urn:x", "value": "1.5"}, "urn:x|1.5"),
        ({"system": "urn:x"}, None),
        ({"system": "urn:x", "value": " "}, None),
        ({"value": 7}, None),
    ],
)
def test_a_key_of_other_identifiers(identifier: dict[str, Any], key: str | None) -> None:
    """A UUID is the key by itself, anything else goes with its system, nothing gives nothing."""
    assert directory.key_of(identifier) == key


def _organisation(key: str = CLINIC, sector: str = "occupational-health", **more: Any) -> dict[str, Any]:
    return organisation(key, "Keksitty") | {
        "id": key[-4:],
        "active": True,
        "type": [concept(f"{BASE}/CodeSystem/sector", sector)],
        **more,
    }


def test_a_party_is_found_by_each_of_its_keys() -> None:
    """An organisation with an OID and a business id is one party."""
    both = _organisation() | {
        "identifier": [{"value": CLINIC}, {"system": "urn:oid:1.2.246.10", "value": "1234567-8"}]
    }

    found = directory.read([both])

    assert found.party(CLINIC) is found.party(EMPLOYER) is not None


def test_an_organisation_that_does_not_say_so_is_not_active() -> None:
    """Active is said, not assumed."""
    [party] = directory.read([_organisation() | {"active": None}]).parties.values()

    assert not party.is_active


def test_h5_only_configuration_makes_reachable() -> None:
    """An Endpoint in the directory alone is no connection."""
    endpoint = {"resourceType": "Endpoint", "id": "e", "status": "active", "address": "https://x.invalid"}
    listed = _organisation(endpoint=[{"reference": "Endpoint/e"}])

    without, with_one = (
        directory.read([listed, endpoint]),
        directory.read([listed, endpoint], reachable=[CLINIC]),
    )

    assert [each.party(CLINIC).has_endpoint for each in (without, with_one)] == [False, True]  # type: ignore[union-attr]


def test_h5_a_suspended_endpoint_is_none() -> None:
    """A configured partner whose Endpoint is switched off in the directory gets nothing."""
    endpoint = {"resourceType": "Endpoint", "id": "e", "status": "suspended"}
    found = directory.read(
        [_organisation(endpoint=[{"reference": "Endpoint/e"}]), endpoint], reachable=[CLINIC]
    )

    assert not found.parties[CLINIC].has_endpoint


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["occupational-health"], RecipientClass.OCCUPATIONAL_HEALTH),
        (["employer"], RecipientClass.EMPLOYER),
        (["occupational-health", "employer"], RecipientClass.EMPLOYER),
        (["occupational-health", "hospital"], RecipientClass.UNKNOWN),
        (["something"], RecipientClass.UNKNOWN),
        ([], RecipientClass.UNKNOWN),
    ],
)
def test_a_class_is_said_once_and_employer_wins(codes: list[str], expected: RecipientClass) -> None:
    """Two classes are none, but an employer stays one whatever else it claims to be."""
    kinds = [concept(f"{BASE}/CodeSystem/sector", code) for code in codes]

    assert directory.recipient_class({"type": kinds}) is expected


def test_every_class_has_a_register() -> None:
    """The table of registers leaves no class out."""
    assert set(directory.REGISTER_OF) == set(RecipientClass)
    assert directory.REGISTER_OF[RecipientClass.UNKNOWN] is Register.UNKNOWN


def _affiliation(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "OrganizationAffiliation",
        "id": "a",
        "active": True,
        "organization": {"identifier": {"value": CLINIC}},
        "participatingOrganization": {"identifier": {"system": "urn:oid:1.2.246.10", "value": "1234567-8"}},
        "code": [concept(f"{BASE}/CodeSystem/affiliation-role", "occupational-health-provider")],
        "period": {"start": "2024-01-01", "end": "2026-06-30"},
        **more,
    }


@pytest.mark.parametrize(
    ("day", "holds"),
    [
        (date(2023, 12, 31), False),
        (date(2024, 1, 1), True),
        (date(2026, 6, 30), True),
        (date(2026, 7, 1), False),
    ],
)
def test_an_affiliation_holds_from_its_first_to_its_last_day(day: date, holds: bool) -> None:
    """Both ends are included."""
    [found] = directory.read([_affiliation()]).providers_of(EMPLOYER)

    assert found.holds(day) is holds


@pytest.mark.parametrize(
    "change",
    [
        {"organization": {}},
        {"participatingOrganization": {"display": "Keksitty Oy"}},
        {"code": []},
        {"period": {"start": "2024"}},
        {"period": {"end": "soon"}},
    ],
)
def test_an_affiliation_that_leaves_something_open_is_left_out(change: dict[str, Any]) -> None:
    """Who, for whom, as what, when: all of it must be said, and what is wrong is named."""
    resources = [_affiliation(**change)]

    assert not directory.read(resources).affiliations
    assert [issue.code for issue in directory.faults(resources)] == ["RT204"]


def test_faults_name_every_bad_organisation() -> None:
    """No identifier, no sector, and one identifier twice."""
    resources = [
        _organisation(id="a") | {"identifier": []},
        _organisation(id="b", sector="unheard-of"),
        _organisation(id="c"),
    ]

    assert [issue.code for issue in directory.faults(resources)] == ["RT201", "RT202", "RT203"]
