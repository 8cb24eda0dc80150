"""Documents and resources of others as assessments: none breaks a map, no leaf is lost, none is made up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

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
