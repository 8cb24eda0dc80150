"""What each sector sees of an assessment and of a plan, and everything it must not.

Everybody in here is invented.
"""

from __future__ import annotations

import copy
import csv
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adapter.relay
from adapter.fhir import json as fhir_json
from adapter.relay import directory, notification, sector_copy
from adapter.relay.artefact import MESSAGE_PROFILE, Artefact
from adapter.relay.directory import Directory, Register
from adapter.relay.message import Level, Meaning
from adapter.relay.sector_copy import SECTORS
from adapter.shipped import folder
from tests.relay import site
from tests.relay.test_disclosure import ENVELOPE, VIEWING, delayed

HEALTH, SOCIAL, EMPLOYMENT, BENEFITS = SECTORS
VIEWS = [(sector, level) for sector in SECTORS for level in Level]
NAMED = [f"{sector.value}-{level.value}" for sector, level in VIEWS]
RICH = (
    "plan/expected/shared-plan",
    "plan/expected/rehabilitation-plan",
    "plan/expected/ccda-every-code",
    "plan/expected/protected-address",
    "assessment/expected/health-check",
    "assessment/expected/back-surgery-before",
    "assessment/expected/team",
    "assessment/expected/answers-index",
)
"""Fixtures that between them hold everything a table speaks of."""


@cache
def _read(name: str) -> dict[str, Any]:
    made = fhir_json.read((folder("fixtures") / f"{name}.json").read_bytes())
    assert isinstance(made, dict)
    return made


def made(
    name: str | dict[str, Any], sector: Register, level: Level, known: Directory | None = None, **change: Any
) -> dict[str, Any]:
    """One recipient's copy of a fixture, or of a message."""
    bundle = _read(name) if isinstance(name, str) else name
    facts = notification.read(bundle)
    envelope = replace(ENVELOPE, event=facts.rule_event, **change)
    return sector_copy.copy_for(bundle, facts.artefact, sector, level, envelope, known or Directory())


def written(value: object) -> str:
    """As one text."""
    return json.dumps(value, ensure_ascii=False, default=str)


def of(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of a type."""
    every = [each["resource"] for each in bundle["entry"]]
    return [each for each in every if each["resourceType"] == kind]


def texts(value: Any) -> set[str]:
    """Every string of some length within a value that is no code, day or address."""
    if isinstance(value, dict):
        return set().union(*(texts(each) for name, each in value.items() if name not in _TECHNICAL))
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) and len(value) > 3 and not value[:4].isdigit() else set()


def seen(hidden: set[str], copied: dict[str, Any]) -> set[str]:
    """Which of these a copy carries: as a value, or as words within one."""
    said = texts(copied)
    return {each for each in hidden if each in said or any(" " in each and each in one for one in said)}


_TECHNICAL = (
    "resourceType",
    "system",
    "url",
    "reference",
    "profile",
    "id",
    "fullUrl",
    "type",
    "status",
    "language",
    "clinicalStatus",
)


# Every copy is a message ----------------------------------------------------------------------------------


def _faults(name: str, sector: Register, level: Level, meaning: Meaning) -> list[str]:
    bundle = made(name, sector, level, meaning=meaning)
    artefact = notification.read(bundle).artefact
    found = site.validator().validate(bundle, MESSAGE_PROFILE[artefact])
    return [f"{each.code} {each.at} {dict(each.params)}" for each in found if each.is_error]


@pytest.mark.parametrize("name", RICH)
def test_every_copy_conforms_to_the_profile_of_its_message(name: str) -> None:
    """What a sector may not see is masked where a profile asks for it, told and taken back."""
    meanings = (Meaning.DONE, Meaning.CANCEL)
    faults = {
        (sector.value, level.value, meaning.value): _faults(name, sector, level, meaning)
        for sector, level in VIEWS
        for meaning in meanings
    }

    assert {view: found for view, found in faults.items() if found} == {}


@pytest.mark.long
def test_every_fixture_gives_copies_that_conform() -> None:
    """Every message of the fixtures about a person with an identity code that is itself valid."""
    names = [
        f"{kind}/expected/{path.stem}"
        for kind in ("plan", "assessment")
        for path in sorted((folder("fixtures") / kind / "expected").glob("*.json"))
    ]
    found = []
    for name in names:
        facts = notification.read(_read(name))
        if _read(name).get("type") != "message" or not facts.patient or not facts.patient.identity_code:
            continue
        own = site.validator().validate(_read(name), MESSAGE_PROFILE[facts.artefact])
        if not any(each.is_error for each in own):
            found += [
                (name, sector, level, fault)
                for sector, level in VIEWS
                for meaning in (Meaning.DONE, Meaning.CANCEL)
                for fault in _faults(name, sector, level, meaning)
            ]

    assert found == []


# What must not be seen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [each for each in RICH if each.startswith("plan")])
@pytest.mark.parametrize("level", list(Level))
def test_d11_employment_services_see_no_diagnosis(name: str, level: Level) -> None:
    """No condition, medication or aid, no note and no description: not by a resource, not by its words."""
    hidden = texts(
        [
            *(of(_read(name), kind) for kind in ("Condition", "MedicationStatement", "DeviceUseStatement")),
            *([each.get("note"), each.get("description")] for each in of(_read(name), "CarePlan")),
        ]
    )

    assert seen(hidden, made(name, EMPLOYMENT, level)) == set()


@pytest.mark.parametrize("sector", [SOCIAL, EMPLOYMENT, BENEFITS])
def test_d5_another_sector_sees_no_diagnosis_at_the_minimal_level(sector: Register) -> None:
    """Neither the code nor its words."""
    told = written(made("plan/expected/shared-plan", sector, Level.MINIMAL))

    assert [each for each in ("M16.1", "nivelrikko", "leikattu", "Ortopedi") if each in told] == []


def test_d11_employment_services_see_goals_services_and_functional_facts() -> None:
    """The goal of work, not that of rehabilitation; the services that tell no illness."""
    plan = made("plan/expected/shared-plan", EMPLOYMENT, Level.MINIMAL)
    goals = [each["description"]["text"] for each in of(plan, "Goal")]
    services = [
        each["detail"]["code"]["coding"][0]["code"]
        for one in of(plan, "CarePlan")
        for each in one["activity"]
        if "detail" in each
    ]

    assert goals == ["Paluu omaan työhön, aluksi 60 prosentin työajalla."]
    assert services == ["work-adjustment", "guidance"]
    assert [each["valueString"] for each in of(plan, "Observation")] == [
        "Kävelee kilometrin yhden kepin kanssa."
    ]


def test_d11_employment_services_see_no_score_and_no_words_of_an_assessment() -> None:
    """Functional facts as codes; what has no code is said to be masked."""
    copied = made("assessment/expected/health-check", EMPLOYMENT, Level.MINIMAL)
    values = {name for each in of(copied, "Observation") for name in each if name.startswith("value")}

    assert values <= {"valueCodeableConcept", "valueBoolean", "valueDateTime", "valueQuantity"}
    assert "mental-health" not in written(copied)
    assert "uupumusoireita" not in written(copied)


def test_d7_health_at_the_minimal_level_sees_that_there_was_an_assessment() -> None:
    """No result but the day of the follow-up."""
    copied = made("assessment/expected/health-check", HEALTH, Level.MINIMAL)
    codes = [each["code"]["coding"][0]["code"] for each in of(copied, "Observation")]

    assert codes == ["work-ability-assessment", "follow-up-date"]


@pytest.mark.parametrize(("sector", "level"), VIEWS, ids=NAMED)
def test_no_copy_carries_the_wording_of_a_questionnaire(sector: Register, level: Level) -> None:
    """Answers go without the texts of their items."""
    bundle = copy.deepcopy(_read("assessment/expected/answers-index"))
    for each in of(bundle, "QuestionnaireResponse"):
        for item in each["item"]:
            item["text"] = "Wording that is not ours"

    assert "Wording that is not ours" not in written(made(bundle, sector, level))


@pytest.mark.parametrize("sector", [each for each in Register if each not in SECTORS])
@pytest.mark.parametrize("name", RICH[:5:4])
def test_d8_who_has_no_column_sees_nothing(name: str, sector: Register) -> None:
    """An employer, an insurer or a school gets nothing but an envelope, whatever is asked for."""
    plan = made(name, sector, Level.CLINICAL)
    known = texts([of(_read(name), kind) for kind in ("Patient", "Goal", "Condition", "Observation")])

    assert seen(known, plan) == set()


@pytest.mark.parametrize(("sector", "level"), VIEWS, ids=NAMED)
def test_d12_h3_turvakielto_takes_out_addresses_relatives_and_free_text(
    sector: Register, level: Level
) -> None:
    """The label stays."""
    bundle = copy.deepcopy(_read("plan/expected/shared-plan"))
    system, code = notification.TURVAKIELTO
    of(bundle, "Patient")[0]["meta"]["security"] = [{"system": system, "code": code}]
    told = made(bundle, sector, level)
    words = (
        "Keksitty katu",
        "040 000",
        "Leo Öst",
        "kepin",
        "Paluu omaan",
        "Haluan takaisin",
    )

    assert [each for each in words if each in written(told)] == []
    assert "municipality" not in written(told)
    assert told["meta"]["security"][0]["code"] == code


@pytest.mark.parametrize(("sector", "level"), VIEWS, ids=NAMED)
def test_d10_a_unit_is_named_by_the_directory(sector: Register, level: Level) -> None:
    """Its own name tells what is treated there: only health at the clinical level sees that."""
    bundle = copy.deepcopy(_read("plan/expected/shared-plan"))
    for each in of(bundle, "Organization"):
        if each["name"] == "Tuulilahden keskussairaala":
            each["name"] = "Tuulilahti, päihdepsykiatria"
    known = directory.read(site.demo_files("partners"))
    is_seen = "päihdepsykiatria" in written(made(bundle, sector, level, known))

    assert is_seen == (sector is HEALTH and level is Level.CLINICAL)


@pytest.mark.parametrize("name", ["assessment/expected/team", "plan/expected/shared-plan"])
@pytest.mark.parametrize("sector", SECTORS)
def test_d14_the_day_of_patient_viewing_travels_to_every_sector(name: str, sector: Register) -> None:
    """D14: what the sender delays for the patient is delayed in every copy of it."""
    message = delayed(copy.deepcopy(_read(name)), "2026-04-01")

    [found] = [each for each in of(made(message, sector, Level.MINIMAL), "Provenance") if "extension" in each]

    assert found["extension"] == [{"url": VIEWING, "valueDate": "2026-04-01"}]


def test_d7_the_narrative_is_written_anew() -> None:
    """Nothing of the sender's own."""
    bundle = copy.deepcopy(_read("plan/expected/shared-plan"))
    for each in bundle["entry"]:
        each["resource"]["text"] = {"status": "generated", "div": "<div>secret words</div>"}
    told = made(bundle, HEALTH, Level.CLINICAL)

    assert "secret words" not in written(told)
    assert "Hilkka Maaria" in of(told, "CarePlan")[0]["text"]["div"]


def test_the_narrative_of_an_assessment_says_its_results() -> None:
    """In the recipient's language, codes by our own words."""
    told = made("assessment/expected/back-surgery-before", HEALTH, Level.CLINICAL, language="sv")
    [panel] = [each for each in of(told, "Observation") if "text" in each]

    assert "Bedömning av arbets- och funktionsförmåga" in panel["text"]["div"]
    assert re.search(r"<th>Resultat</th><td>[^<]*: 24", panel["text"]["div"])


def test_a_plan_keeps_its_own_id_and_version() -> None:
    """Recipients send new versions of it; a system's own number stays behind."""
    [shared, _] = of(made("plan/expected/shared-plan", EMPLOYMENT, Level.MINIMAL), "CarePlan")

    assert (shared["meta"]["versionId"], [each["value"] for each in shared["identifier"]]) == (
        "1",
        ["urn:uuid:13a6fbad-4e5b-5591-a6c6-f658024aa0ea"],
    )


def test_one_that_is_taken_back_says_which_and_no_more() -> None:
    """No goal, no service, no finding."""
    told = made("plan/expected/shared-plan", HEALTH, Level.CLINICAL, meaning=Meaning.CANCEL)
    kinds = {each["resource"]["resourceType"] for each in told["entry"]}

    assert kinds == {"MessageHeader", "CarePlan", "Patient", "CareTeam", "Organization", "Provenance"}
    assert "Paluu" not in written(told)


def test_two_copies_of_one_message_are_the_same() -> None:
    """The same arguments give the same copy, and the sender's message is not changed."""
    before = written(_read("plan/expected/shared-plan"))

    first, second = (made("plan/expected/shared-plan", SOCIAL, Level.CLINICAL) for _ in range(2))

    assert written(first) == written(second)
    assert written(_read("plan/expected/shared-plan")) == before


# Nothing that is not in the table -------------------------------------------------------------------------

OWN = {
    *("resourceType", "id", "language", "status", "name", "text.status", "text.div", "meta.profile"),
    *(f"{name}.reference" for name in ("subject", "for", "patient", "requester", "performer", "careTeam")),
    *("identifier.system", "identifier.value", "identifier.use"),
    *("identifier.type.coding.system", "identifier.type.coding.code"),
    *("dataAbsentReason.coding.system", "dataAbsentReason.coding.code"),
    *("participant.role.coding.system", "participant.role.coding.code"),
}
"""What the relay says itself."""


@cache
def _allowed(artefact: Artefact, sector: Register, level: Level) -> set[str]:
    """Every leaf path that the table lets go, spelled out by reading the file once more."""
    table = Path(adapter.relay.__file__).parent / "tables" / "disclosure-sectors.csv"
    rows = [
        row
        for row in csv.DictReader(table.read_text("utf-8").splitlines())
        if level.value in row[sector.value].split()
        and artefact.value in (row["artefact"] or artefact.value).split()
    ]

    def leaves(kind: str, prefix: str, depth: int) -> set[str]:
        found: set[str] = set()
        for row in rows:
            if row["type"] == kind and row["element"] != "*" and depth:
                here = f"{prefix}.{row['element']}"
                if row["shape"] == "value":
                    found.add(here)
                if row["shape"].endswith("Reference"):
                    found.add(f"{here}.reference")
                found |= leaves(row["shape"], here, depth - 1)
        return found

    kinds = {row["type"] for row in rows if row["element"] == "*"}
    return {each for kind in kinds for each in leaves(kind, kind, 8)}


def _paths(value: Any, prefix: str) -> set[str]:
    if isinstance(value, dict):
        inner = (_paths(each, f"{prefix}.{name}") for name, each in value.items() if name != "extension")
        absent = value.get("extension", []) if isinstance(value.get("extension"), list) else []
        named = (_paths(each, f"{prefix}.extension") for each in absent if not _is_absent(each))
        return set().union(*inner, *named)
    if isinstance(value, list):
        return set().union(*(_paths(each, prefix) for each in value))
    return {prefix}


def _is_absent(extension: dict[str, Any]) -> bool:
    return extension["url"].endswith("/data-absent-reason")


@st.composite
def cluttered(draw: st.DrawFn) -> tuple[dict[str, Any], Artefact]:
    """A plan or an assessment with any element of anything anywhere."""
    name = draw(st.sampled_from((RICH[0], RICH[4])))
    message = copy.deepcopy(_read(name))
    names = ["note", "display", "code", "value", "reference", "text", "extension", "identifier", "contained",
             "performer", "addresses", "valueString", "reasonCode", "photo", "x"]  # fmt: skip
    leaf = st.sampled_from(["KIR2", 7, True, None])
    tree = st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(names), inner, max_size=3)
        ),
        max_leaves=4,
    )
    for entry in draw(st.lists(st.sampled_from(message["entry"]), max_size=6)):
        entry["resource"][draw(st.sampled_from(names))] = draw(tree)
    return message, notification.read(message).artefact


def _no_forbidden(message: dict[str, Any], artefact: Artefact, sector: Register, level: Level) -> None:
    allowed = _allowed(artefact, sector, level)
    for entry in made(message, sector, level)["entry"]:
        kind = entry["resource"]["resourceType"]
        if kind in ("MessageHeader", "Organization", "Provenance"):
            continue
        found = _paths(entry["resource"], kind) - {f"{kind}.{each}" for each in OWN}
        assert {each.replace("._", ".") for each in found} <= allowed


@settings(max_examples=60, deadline=None)
@given(cluttered(), st.sampled_from(VIEWS))
def test_d7_no_generated_message_brings_a_sector_a_forbidden_element(
    message: tuple[dict[str, Any], Artefact], view: tuple[Register, Level]
) -> None:
    """Every element of the content stands in the table for the sector and its level."""
    _no_forbidden(*message, *view)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, deadline=None)
@given(cluttered(), st.sampled_from(VIEWS))
def test_d7_ten_thousand_messages_bring_no_sector_a_forbidden_element(
    message: tuple[dict[str, Any], Artefact], view: tuple[Register, Level]
) -> None:
    """The same over ten thousand."""
    _no_forbidden(*message, *view)


def test_employment_services_have_no_line_for_what_tells_an_illness() -> None:
    """By the file itself: types that never go, and no free text of a plan but goals and functional facts."""
    lines = [each.listed for each in sector_copy.allow_list() if each.sector is EMPLOYMENT]

    assert not {"Condition", "MedicationStatement", "DeviceUseStatement", "QuestionnaireResponse"} & {
        each.type for each in lines if each.element == "*"
    }
    assert not {"note", "description", "title", "addresses"} & {
        each.element for each in lines if each.type == "CarePlan"
    }


def test_the_page_shows_the_table() -> None:
    """docs/disclosure.md shows the table as it is."""
    page = (Path(__file__).parents[2] / "docs" / "disclosure.md").read_text("utf-8")

    assert sector_copy.as_markdown() in page
