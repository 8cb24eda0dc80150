"""Every fixture becomes what its TOML says: meaning, event, findings, facts; and no leaf of it is lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir import hetu
from adapter.fhirpath import compile_expression
from adapter.shipped import folder
from tests.content import expected
from tests.content.cases import CASES, MAPPED, Case
from tests.content.conftest import ZONE, read
from tests.content.expected import EXPECTED, VALID, numbered

if TYPE_CHECKING:
    from adapter.mapping import MapSet
    from adapter.validation.validator import Validator


def _bundle(case: Case, maps: MapSet) -> dict[str, Any]:
    return case.run(maps).resources[0] if case.map else read(case.source)


def _values(bundle: dict[str, Any], expression: str) -> list[Any]:
    return [
        str(value) if not isinstance(value, (str, bool, int)) else value
        for value in compile_expression(expression, context="Bundle")(bundle)
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fixture_means_what_is_expected(case: Case, maps: MapSet) -> None:
    """Meaning and event of the header are the expected ones."""
    header = _bundle(case, maps)["entry"][0]["resource"]

    assert (header["reason"]["coding"][0]["code"], header["eventCoding"]["code"]) == (
        case.meaning,
        case.event,
    )


@pytest.mark.parametrize(
    ("case", "expression"),
    [pytest.param(case, fact, id=f"{case.name}:{fact[-30:]}") for case in CASES for fact in case.facts],
)
def test_a_fact_of_a_fixture_holds(case: Case, expression: str, maps: MapSet) -> None:
    """The FHIRPath gives the expected values on the message Bundle."""
    assert _values(_bundle(case, maps), expression) == case.facts[expression]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fixture_gives_its_findings_and_no_other(case: Case, maps: MapSet, validator: Validator) -> None:
    """Mapping (all that it says) and validation (errors) find what the TOML names, and nothing else."""
    found = {issue.code for issue in case.run(maps).issues} if case.map else set()
    found |= {issue.code for issue in validator.validate(_bundle(case, maps)) if issue.is_error}

    assert sorted(found) == sorted(case.findings)


@pytest.mark.parametrize("constants", [{}, {"sender": "urn:oid:1.2.3"}], ids=["alone", "with a known sender"])
@pytest.mark.parametrize("case", MAPPED, ids=lambda case: case.name)
def test_no_leaf_of_a_fixture_is_lost(case: Case, constants: dict[str, str], maps: MapSet) -> None:
    """Each leaf of the source is mapped, tested, or left behind with a reason."""
    accounting = case.run(maps, **constants).accounting

    assert accounting is not None
    assert accounting.unaccounted == []


@pytest.mark.parametrize("case", MAPPED, ids=lambda case: case.name)
def test_the_same_bytes_give_the_same_message(case: Case, maps: MapSet) -> None:
    """Mapping is repeatable to the last id."""
    assert case.run(maps).resources == case.run(maps).resources


@pytest.mark.parametrize(
    "case", [case for case in MAPPED if case.source.suffix == ".hl7"], ids=lambda case: case.name
)
def test_the_door_decides_who_the_sender_is(case: Case, maps: MapSet) -> None:
    """The organisation that the door has recognised stands in the message, whatever MSH-4 says."""
    known = "urn:uuid:00000000-0000-4000-8000-000000000001"

    bundle = (
        maps[case.map]
        .run(case.source.read_bytes(), media_type=case.media_type, zone=ZONE, constants={"sender": known})
        .resources[0]
    )

    assert _values(bundle, "Bundle.entry[1].resource.identifier.value") == [known]


def test_identity_codes_of_fixtures_belong_to_nobody() -> None:
    """Every identity code in the fixtures is of the range 900-999, with the right check character."""
    files = [path for path in folder("fixtures").rglob("*") if path.is_file()]
    texts = (path.read_bytes().decode("latin-1") for path in files)
    codes = {code for text in texts for code in re.findall(r"\b\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]\b", text)}

    read_codes = [hetu.read(code) for code in codes]

    assert codes
    assert all(code is not None and code.is_test and code.check_agrees for code in read_codes)


@pytest.mark.parametrize("case", EXPECTED, ids=lambda case: case.name)
def test_a_fixture_gives_the_whole_expected_message(case: Case, maps: MapSet) -> None:
    """Element by element, the message is the one in the folder `expected`."""
    assert numbered(case.run(maps).resources[0]) == expected.read(case)


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.name)
def test_an_expected_message_is_valid(case: Case, validator: Validator) -> None:
    """What is expected of a fixture holds to R4 and to our profiles."""
    assert [
        (issue.code, issue.at) for issue in validator.validate(expected.read(case)) if issue.is_error
    ] == []
