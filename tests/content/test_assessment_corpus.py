"""Documents and resources of others as assessments: none breaks a map, no leaf is lost, none is made up."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from adapter.errors import Unsupported
from adapter.fhir import json
from tests.content.conftest import ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.mapping import MapSet, Outcome
    from adapter.validation.validator import Validator

pytestmark = pytest.mark.corpus

ROOT = re.compile(r"\s*(?:<\?xml.*?\?>)?\s*(?:<!--.*?-->\s*)*<(\w+)", re.DOTALL)
IN_SECTION = (
    '<component><section><code code="47420-5" codeSystem="2.16.840.1.113883.6.1"/>{}</section></component>'
)
WRAPPED = {
    "observation": IN_SECTION.format("<entry>{}</entry>"),
    "organizer": IN_SECTION.format("<entry>{}</entry>"),
    "entry": IN_SECTION,
    "section": "<component>{}</component>",
}
"""How a part of a document becomes a body of one."""
STATUS = ("Functional_Status", "Mental_Status", "Social_History")


@pytest.fixture(scope="module")
def outcomes(corpus: Path, maps: MapSet) -> dict[str, Outcome]:
    """Every C-CDA document of the corpus, mapped once."""
    return {path.name: _run(maps, path.read_bytes()) for path in _documents(corpus)}


def _documents(corpus: Path) -> Iterator[Path]:
    for name in ("ccda-documents", "ccda-examples"):
        for path in sorted((corpus / name).rglob("*")):
            if path.suffix.lower() == ".xml" and b"<ClinicalDocument" in path.read_bytes():
                yield path


def _run(maps: MapSet, body: bytes) -> Outcome:
    return maps["assessment-from-cda"].run(body, media_type="application/xml", zone=ZONE, lineage=True)


def _results(outcome: Outcome) -> list[dict[str, Any]]:
    entries = [entry["resource"] for entry in outcome.resources[0]["entry"]]
    return [one for one in entries if one["resourceType"] == "Observation"][1:]


def test_every_document_is_accounted_for(outcomes: dict[str, Outcome]) -> None:
    """Each leaf of each C-CDA document has a rule or a reason."""
    left = {name: one.accounting.unaccounted for name, one in outcomes.items() if one.accounting}

    assert len(left) > 25
    assert {name: places for name, places in left.items() if places} == {}


def test_every_document_gives_a_valid_assessment_or_says_what_is_wrong_with_it(
    outcomes: dict[str, Outcome], validator: Validator
) -> None:
    """What a document lacks may be found missing; what the map makes is never at fault."""
    for name, outcome in outcomes.items():
        wrong = {
            str(issue.params.get("key", issue.code))
            for issue in validator.validate(outcome.resources[0])
            if issue.is_error
        }

        # No sender or identifier in the document, or a time that cannot be read, which mapping tells too.
        assert wrong <= {"org-1", "VA201"}, name
        assert "VA201" not in wrong or outcome.issues or "org-1" in wrong, name


def test_results_of_a_document_keep_their_codes(outcomes: dict[str, Outcome]) -> None:
    """The functional status, social history and their organizers of the CCD example."""
    codes = [one["code"]["coding"][0]["code"] for one in _results(outcomes["CCD.XML"])]

    assert codes == ["d5", "54522-8", "46008-9", "72166-2", "11367-0", "74013-4"]


def test_every_sample_of_functional_and_mental_status_gives_its_results(
    corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """A part of a document, in one around it: as many results as it has observations and organizers."""
    whole = (corpus / "ccda-examples" / "Documents" / "CCD" / "CCD_1" / "CCD.XML").read_text("utf-8")
    head = whole[: whole.index("<component>")]
    seen = 0
    for path in sorted((corpus / "ccda-examples").rglob("*.xml")):
        if not path.parent.name.startswith(STATUS):
            continue
        text = path.read_text("utf-8-sig")
        root = ROOT.match(text)
        wrapped = WRAPPED.get(root[1] if root else "", "{}").replace("{}", text.partition("?>")[2] or text)
        body = f"{head}<component><structuredBody>{wrapped}</structuredBody></component></ClinicalDocument>"
        outcome = _run(maps, body.encode())
        seen += 1

        assert outcome.accounting.unaccounted == [], path.name
        assert len(_results(outcome)) == _coded(text), path.name
        assert not [issue for issue in validator.validate(outcome.resources[0]) if issue.is_error], path.name
    assert seen > 4


def _coded(text: str) -> int:
    """Count what can be a result: organizers, and observations that are more than a template."""
    plain = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    full = re.findall(
        r"<observation\b(?:(?!<observation\b|</observation>).)*?<(?:code|value)\b", plain, re.DOTALL
    )
    return len(re.findall(r"<organizer\b", plain)) + len(full)


@pytest.mark.parametrize("folder", ["pacio-pfe", "mcc-careplan", "eltss", "fhir-r4-examples"])
def test_answers_of_others_go_along_whole(
    folder: str, corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """A questionnaire that is not ours gives no results of ours, and none of its answers is lost."""
    for path in sorted((corpus / folder).rglob("QuestionnaireResponse*.json")):
        body = path.read_bytes()
        outcome = maps.run(body, media_type="application/fhir+json", zone=ZONE, lineage=True)
        carried = next(
            entry["resource"]
            for entry in outcome.resources[0]["entry"]
            if entry["resource"]["resourceType"] == "QuestionnaireResponse"
        )

        assert outcome.accounting is not None
        assert outcome.accounting.unaccounted == [], path.name
        assert carried.get("item") == json.read(body).get("item"), path.name
        assert not [issue for issue in validator.validate(outcome.resources[0]) if issue.is_error], path.name


FOREIGN = {"VA601", "VA602"}
"""An extension of a guide that is not at hand is carried as it is, and its definition is missed."""
ADDRESSES = {
    "http": lambda one: {"fullUrl": f"https://server.example/fhir/{one['resourceType']}/{one['id']}"},
    "urn": lambda one: {"fullUrl": f"urn:uuid:{uuid5(NAMESPACE_URL, one['resourceType'] + one['id'])}"},
    "none": lambda one: {},
}
"""How entries of a Bundle are known, though they speak of each other by type and id."""


def _observation(maps: MapSet, path: Path) -> Outcome:
    return maps.run(path.read_bytes(), media_type="application/fhir+json", zone=ZONE, lineage=True)


def _wrong(outcome: Outcome, validator: Validator) -> list[tuple[str, str | None]]:
    found = [*outcome.issues, *validator.validate(outcome.resources[0])]
    return [(issue.code, issue.at) for issue in found if issue.is_error and issue.code not in FOREIGN]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("pacio-pfe/Observation*.json", 51),
        ("mcc-careplan/Observation*-sur-*.json", 1),
        ("eltss/Observation*.json", 4),
        ("us-core/Observation-P*Q9*.json", 7),
        ("us-core/Observation-*cognitive*.json", 1),
    ],
)
def test_every_observation_that_assesses_becomes_a_valid_message(
    pattern: str, count: int, corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """Alone: no leaf is lost, nothing is wrong by our profiles, and the code stays what it was."""
    paths = sorted(corpus.glob(pattern))
    for path in paths:
        outcome = _observation(maps, path)
        [result] = _results(outcome)

        assert outcome.accounting is not None
        assert (path.name, outcome.accounting.unaccounted, _wrong(outcome, validator)) == (path.name, [], [])
        assert result["code"] == json.read(path.read_bytes())["code"], path.name
    assert len(paths) == count


@pytest.mark.parametrize("name", ["lab-a1c", "bp-1", "weight"])
def test_a_laboratory_result_is_no_assessment(name: str, corpus: Path, maps: MapSet) -> None:
    """What is measured in the body says nothing of the ability to work: no map takes it by itself."""
    path = corpus / "mcc-careplan" / f"Observation-cc-obs-pnoelle-{name}.json"

    with pytest.raises(Unsupported) as refused:
        _observation(maps, path)

    assert refused.value.code == "SR002"


@pytest.mark.parametrize("address", ADDRESSES)
def test_assessments_in_a_bundle_hold_together(
    address: str, corpus: Path, maps: MapSet, validator: Validator
) -> None:
    """All resources of the guide in one Bundle: members, answers, people and aids find each other."""
    resources = [json.read(path.read_bytes()) for path in sorted((corpus / "pacio-pfe").glob("*.json"))]
    entries = [{**ADDRESSES[address](one), "resource": one} for one in resources]
    body = json.write({"resourceType": "Bundle", "type": "collection", "entry": entries})

    outcome = maps.run(body, media_type="application/fhir+json", zone=ZONE, lineage=True)
    kinds = Counter(entry["resource"]["resourceType"] for entry in outcome.resources[0]["entry"])

    assert outcome.accounting is not None
    assert (outcome.accounting.unaccounted, _wrong(outcome, validator)) == ([], [])
    assert [
        kinds[one] for one in ("Observation", "QuestionnaireResponse", "Patient", "DeviceUseStatement")
    ] == [52, 5, 1, 6]
    assert not kinds.keys() & {"Condition", "AllergyIntolerance", "ServiceRequest", "Goal"}
