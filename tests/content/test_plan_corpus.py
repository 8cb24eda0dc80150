"""Plans of others: none breaks a map, none is lost in silence, and none is taken for more than it says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping.readers import fhir_media_type
from tests.content.conftest import ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.mapping import MapSet, Outcome
    from adapter.validation.validator import Validator

pytestmark = pytest.mark.corpus

PLAN_SECTIONS = re.compile(rb'code="(75310-3|61146-7|62387-6|11383-7|18776-5|51847-2|69730-0|85847-2)"')
STRAY = re.compile(r"/(ClinicalDocument|structuredBody|section|entry|act|observation|procedure)(\[\d+\])?$")
"""Words that stand between elements where the standard has none."""
FOREIGN = {"VA601", "VA602"}
"""An extension of a guide that is not at hand is carried as it is, and its definition is missed."""
SECTION_HEAD = b"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <id root="5a4e24a8-3f0b-4d07-9a83-1c0f2f3b7c55"/>
  <code code="52521-2" codeSystem="2.16.840.1.113883.6.1"/>
  <effectiveTime value="202603011200+0200"/>
  <recordTarget><patientRole>
    <id root="1.2.246.21" extension="300964-9625"/>
    <patient><name><given>Aino</given><family>Kuusela</family></name></patient>
  </patientRole></recordTarget>
  <component><structuredBody><component>"""
SECTION_TAIL = b"</component></structuredBody></component></ClinicalDocument>"


def _documents(corpus: Path) -> list[Path]:
    """Every whole C-CDA document that is a plan or has a section of one."""
    found = [*(corpus / "ccda-examples").rglob("*.xml"), *(corpus / "ccda-documents").glob("*.xml")]
    return sorted(
        path
        for path in found
        if b"<ClinicalDocument" in (body := path.read_bytes()) and PLAN_SECTIONS.search(body)
    )


def _sections(corpus: Path) -> Iterator[tuple[str, bytes]]:
    """Every plan section that stands alone, within a document of an invented person."""
    for path in sorted((corpus / "ccda-examples").rglob("*.xml")):
        body = re.sub(rb"<!--.*?-->|<\?.*?\?>", b"", path.read_bytes(), flags=re.DOTALL).strip()
        if body.startswith(b"<section") and PLAN_SECTIONS.search(body):
            yield path.name, SECTION_HEAD + body + SECTION_TAIL


_RUNS: dict[tuple[str, bytes], Outcome] = {}
"""What was mapped already: several tests ask about one document."""


def _run(maps: MapSet, name: str, body: bytes, media_type: str) -> Outcome:
    known = _RUNS.get((name, body))
    if known is None:
        known = _RUNS[name, body] = maps[name].run(body, media_type=media_type, zone=ZONE, lineage=True)
    return known


def _errors(outcome: Outcome, validator: Validator) -> list[tuple[str, str | None]]:
    return [
        (issue.code, issue.at)
        for issue in validator.validate(outcome.resources[0])
        if issue.is_error and issue.code not in FOREIGN
    ]


def _open(outcome: Outcome) -> list[str]:
    """Places that no rule reads; text between elements is not of the standard, and is told."""
    assert outcome.accounting is not None
    return [place for place in outcome.accounting.unaccounted if not STRAY.search(place)]


def _of(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def _fhir(corpus: Path) -> dict[str, list[tuple[str, bytes]]]:
    """Every CarePlan of the corpus, alone or in a Bundle, by the map that takes it."""
    found: dict[str, list[tuple[str, bytes]]] = {"plan-from-fhir": [], "plan-from-fhir-careplan": []}
    for folder in ("eltss", "mcc-careplan", "synthea-bundles", "us-core", "fhir-r4-examples"):
        for path in sorted((corpus / folder).rglob("*.json")):
            body = path.read_bytes()
            if re.search(rb'"resourceType"\s*:\s*"CarePlan"', body) is None:
                continue
            kind = json.loads(body)["resourceType"]
            if kind in ("Bundle", "CarePlan"):
                name = "plan-from-fhir" if kind == "Bundle" else "plan-from-fhir-careplan"
                found[name].append((path.name, body))
    return found


def test_every_document_with_a_plan_becomes_a_valid_message(
    corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """Whole documents: nothing breaks, no leaf is lost, and the message holds to our profiles."""
    for path in _documents(corpus):
        outcome = _run(maps, "plan-from-ccda", path.read_bytes(), "application/xml")

        assert (path.name, _open(outcome), _errors(outcome, validator)) == (path.name, [], [])


def test_every_section_of_a_plan_becomes_a_valid_message(
    corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """Sections that stand alone: the same."""
    sections = list(_sections(corpus))
    for name, body in sections:
        outcome = _run(maps, "plan-from-ccda", body, "application/xml")

        assert (name, _open(outcome), _errors(outcome, validator)) == (name, [], [])
    assert sections


def test_the_care_plan_says_what_it_says(corpus: Path, maps: MapSet) -> None:
    """Goal, its measure, what came of it, what is done for it and who approved it."""
    path = corpus / "ccda-examples" / "Documents" / "Care_Plan" / "Care_Plan.xml"
    bundle = _run(maps, "plan-from-ccda", path.read_bytes(), "application/xml").resources[0]
    (goal,), (plan,) = _of(bundle, "Goal"), _of(bundle, "CarePlan")

    assert goal["target"][0]["detailRange"]["low"]["unit"] == "%"
    assert goal["achievementStatus"]["coding"][0]["code"] == "390802008"
    assert {one["detail"]["status"] for one in plan["activity"]} == {"not-started", "completed"}
    assert all(
        one["detail"]["goal"][0]["identifier"]["value"] == goal["identifier"][0]["value"]
        for one in plan["activity"]
        if one["detail"]["status"] == "not-started"
    )
    assert "attester" in {one["agent"][0]["type"]["coding"][0]["code"] for one in _of(bundle, "Provenance")}


def test_a_risk_is_no_diagnosis(corpus: Path, maps: MapSet) -> None:
    """What the person is at risk of stands as a finding of risk, and is not addressed as a condition."""
    path = corpus / "ccda-examples" / "Documents" / "Care_Plan" / "Care_Plan.xml"
    bundle = _run(maps, "plan-from-ccda", path.read_bytes(), "application/xml").resources[0]

    codes = [one["code"]["coding"][0]["code"] for one in _of(bundle, "Observation")]

    assert (codes.count("281694009"), len(_of(bundle, "Condition"))) == (1, 3)


@pytest.mark.parametrize("name", ["plan-from-fhir", "plan-from-fhir-careplan"])
def test_every_fhir_plan_becomes_a_valid_message(
    name: str, corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """Alone or in a Bundle: no leaf that R4 knows is lost; only a proposal is not taken for a plan."""
    for file, body in _fhir(corpus)[name]:
        outcome = _run(maps, name, body, fhir_media_type(body, "application/json"))
        found = [] if file == "CarePlan-f201.json" else _errors(outcome, validator)

        open_ = [place for place in _open(outcome) if "fhir_comments" not in place]
        assert (file, open_, found) == (file, [], [])


def test_a_proposal_is_a_finding(corpus: Path, maps: MapSet) -> None:
    """A plan that is only proposed does not become one."""
    body = (corpus / "fhir-r4-examples" / "json" / "CarePlan-f201.json").read_bytes()

    outcome = _run(maps, "plan-from-fhir-careplan", body, "application/fhir+json")

    assert [issue.code for issue in outcome.issues] == ["CM302"]


def test_a_history_of_care_gives_away_no_more_than_the_plan(corpus: Path, maps: MapSet) -> None:
    """Of a person's whole record only what the plans refer to goes along: no claims, no vaccinations."""
    for path in sorted((corpus / "synthea-bundles").glob("*.json")):
        source = json.loads(path.read_bytes())
        bundle = _run(maps, "plan-from-fhir", path.read_bytes(), "application/fhir+json").resources[0]
        kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}

        assert len(bundle["entry"]) < len(source["entry"]) / 4
        assert kinds.isdisjoint({"Claim", "ExplanationOfBenefit", "Immunization", "DiagnosticReport"})


def test_a_plan_put_together_of_its_resources_holds_together(
    corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """The resources of the chronic-conditions plan in one Bundle find each other."""
    resources = [json.loads(path.read_bytes()) for path in sorted((corpus / "mcc-careplan").glob("*.json"))]
    body = json.dumps(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"fullUrl": f"https://plan.example/fhir/{one['resourceType']}/{one['id']}", "resource": one}
                for one in resources
            ],
        }
    ).encode()

    outcome = _run(maps, "plan-from-fhir", body, "application/fhir+json")

    kinds = [entry["resource"]["resourceType"] for entry in outcome.resources[0]["entry"]]
    assert (_open(outcome), _errors(outcome, validator)) == ([], [])
    assert (kinds.count("CarePlan"), kinds.count("Goal"), kinds.count("Patient")) == (1, 1, 1)
