"""A shared plan as it leaves: its text, and a Care Plan in CDA R2 that says the same."""

from __future__ import annotations

import copy
import json
import tarfile
from typing import TYPE_CHECKING, Any, Literal

import pytest
from lxml import etree

from adapter.mapping.coverage import coverage
from adapter.relay import form, narrative
from adapter.shipped import folder
from tests.content.conftest import ZONE, read

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping import MapSet

GOLDEN = folder("fixtures") / "outbound"
WRITTEN = GOLDEN / "plan-to-cda"
"""Plans in every state and form that the map reads, and with next to nothing."""
MESSAGES = [
    path
    for path in [
        *sorted((folder("fixtures") / "plan" / "expected").glob("*.json")),
        *sorted(WRITTEN.glob("*.json")),
    ]
    if read(path).get("type") == "message"
]
SHARED = folder("fixtures") / "plan" / "expected" / "shared-plan.json"
NARROWED = {
    "accepted": "active",
    "planned": "proposed",
    "scheduled": "not-started",
}
"""States that CDA has no word of its own for, and the nearest it has."""


def copied(language: Literal["en", "fi", "sv"]) -> dict[str, Any]:
    """The shared plan with its text, as a recipient gets it."""
    bundle = copy.deepcopy(read(SHARED))
    resources = [entry["resource"] for entry in bundle["entry"]]
    plan = next(each for each in resources if each["resourceType"] == "CarePlan")
    plan["language"] = language
    plan["text"] = narrative.of_plan(
        resources, language, sender="Tuulilahden keskussairaala", basis="explicit-consent"
    )
    return bundle


def _of(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def _concept(concept: dict[str, Any]) -> tuple[Any, ...]:
    codes = tuple((each.get("system"), each.get("code")) for each in concept.get("coding", []))
    return codes, concept.get("text")


def _facts(bundle: dict[str, Any]) -> dict[str, Any]:
    details = [
        a["detail"] for plan in _of(bundle, "CarePlan") for a in plan.get("activity", []) if "detail" in a
    ]
    members = [each for team in _of(bundle, "CareTeam") for each in team.get("participant", [])]
    return {
        "period": _of(bundle, "CarePlan")[0]["period"],
        "goals": [
            (
                _concept(goal["description"]),
                NARROWED.get(goal["lifecycleStatus"], goal["lifecycleStatus"]),
                goal.get("startDate"),
            )
            for goal in _of(bundle, "Goal")
        ],
        "concerns": [_concept(each["code"]) for each in _of(bundle, "Condition")],
        "agreed": [
            (_concept(each["code"]), NARROWED.get(each["status"], each["status"])) for each in details
        ],
        "coordinators": [
            each["member"].get("display")
            for each in members
            if any(code == "coordinator" for role in each["role"] for _, code in _concept(role)[0])
        ],
        "members": len(members),
    }


@pytest.fixture(scope="module")
def finnish_schema(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> etree.XMLSchema:
    """The Finnish schemas of CDA R2."""
    place = tmp_path_factory.mktemp("schemas")
    with tarfile.open(corpus / "cda-definitions" / "finnish-cda-r2-xsd.tgz") as archive:
        archive.extractall(place, filter="data")
    return etree.XMLSchema(etree.parse(place / "schemas" / "CDA_Fi.xsd"))


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_plan_reads_as_it_should(language: Literal["en", "fi", "sv"]) -> None:
    """Word by word, the text of the plan is the golden one in the language of the recipient."""
    text = form.as_text(copied(language))

    assert text == (GOLDEN / f"shared-plan.{language}.txt").read_text("utf-8")


@pytest.mark.parametrize("language", ["fi", "sv"])
def test_a_plan_leaves_as_the_golden_document(language: Literal["fi", "sv"], maps: MapSet) -> None:
    """To the byte, CDA of the plan is the golden one."""
    body, _ = form.written(copied(language), "cda", maps)

    assert body == (GOLDEN / f"shared-plan.{language}.xml").read_bytes()


def test_a_plan_keeps_its_facts_as_a_document(maps: MapSet) -> None:
    """Written as a Care Plan and read again: who, goals, concerns, what is agreed, until when."""
    bundle = read(SHARED)
    body, _ = form.written(bundle, "cda", maps)

    found = maps["plan-from-ccda"].run(body, media_type="application/xml", zone=ZONE).resources[0]

    assert _facts(found) == _facts(bundle)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_no_leaf_of_a_plan_is_lost_in_silence(path: Path, maps: MapSet) -> None:
    """Each leaf is written, asked for, or left behind with a reason."""
    outcome = maps["plan-to-cda"].run(path.read_bytes(), media_type="application/fhir+json", lineage=True)

    assert outcome.accounting is not None
    assert [issue.code for issue in outcome.issues] == []
    assert outcome.accounting.unaccounted == []


@pytest.mark.corpus
@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_plan_holds_to_the_finnish_schemas(
    path: Path, maps: MapSet, finnish_schema: etree.XMLSchema
) -> None:
    """Whatever a plan holds or lacks, its document is valid by the Finnish CDA R2 schemas."""
    outcome = maps["plan-to-cda"].run(path.read_bytes(), media_type="application/fhir+json")
    [body] = outcome.documents

    assert finnish_schema.validate(etree.fromstring(body or b"")), finnish_schema.error_log


def test_the_written_plans_run_every_rule(maps: MapSet) -> None:
    """No rule of the map is without a case."""
    one = maps["plan-to-cda"]
    outcomes = [
        one.run(path.read_bytes(), media_type="application/fhir+json", lineage=True)
        for path in sorted(WRITTEN.glob("*.json"))
    ]

    assert coverage([one], {mark for outcome in outcomes for mark in outcome.rules}).percent == 100


def write() -> None:
    """Write the golden files anew: `python -m tests.content.test_outbound_plan`."""
    from adapter.mapping import MapSet

    maps = MapSet.load([folder("mappings")])
    for language in ("fi", "sv", "en"):
        made = json.loads(json.dumps(copied(language)))  # type: ignore[arg-type]
        (GOLDEN / f"shared-plan.{language}.txt").write_text(form.as_text(made), "utf-8")
        if language != "en":
            (GOLDEN / f"shared-plan.{language}.xml").write_bytes(form.written(made, "cda", maps)[0])


if __name__ == "__main__":
    write()
