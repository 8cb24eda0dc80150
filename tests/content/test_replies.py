"""What occupational health answers, in each format: the message it becomes, and what is wrong with it."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping import readers
from adapter.mapping.cases import Case, cases, judge
from adapter.relay.reply import reply_of
from adapter.shipped import folder

if TYPE_CHECKING:
    from adapter.mapping import MapSet
    from adapter.validation.validator import Validator

FOLDER = folder("fixtures") / "reply"
CASES = list(cases(FOLDER))


def _said(case: Case) -> dict[str, Any]:
    return tomllib.loads(case.source.with_suffix(".toml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_becomes_what_is_expected(case: Case, maps: MapSet) -> None:
    """Message, findings of the map and facts are the expected ones, and no leaf is lost."""
    assert judge(case, maps).failures == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_has_the_findings_it_names_and_no_other(
    case: Case, maps: MapSet, validator: Validator
) -> None:
    """What mapping and validation find is what the TOML says; a broken invariant is the one it names."""
    outcome = judge(case, maps).outcome
    assert outcome is not None
    wrong = [issue for issue in validator.validate(outcome.resources[0]) if issue.is_error]

    said = _said(case)
    found = {issue.code for issue in [*outcome.issues, *wrong]}
    keys = [issue.params.get("key") for issue in wrong if issue.code == "VA701"]
    assert (sorted(found), keys) == (said["findings"], [said["broken"]] if "broken" in said else [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_map_of_an_answer_is_found_by_itself(case: Case, maps: MapSet) -> None:
    """No notification map takes an answer, and no reply map takes the other's format."""
    media_type = {".hl7": "application/hl7-v2", ".xml": "application/xml", ".json": "application/json"}
    tree = readers.read(case.source.read_bytes(), media_type[case.source.suffix])

    assert maps.choose(tree).name == case.map


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_is_never_taken_for_an_acknowledgement(case: Case, maps: MapSet) -> None:
    """That somebody takes over is another thing than that the bytes arrived."""
    outcome = judge(case, maps).outcome

    assert outcome is not None
    assert reply_of(outcome.resources[0]) is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_answer_is_no_notification(case: Case, maps: MapSet) -> None:
    """Read as a notification, an RRI says that nothing happened; RRI has the triggers of the referral."""
    if case.source.suffix != ".hl7" or b"RRI^" not in case.source.read_bytes():
        return

    bundle = (
        maps["notification-from-v2"]
        .run(case.source.read_bytes(), media_type="application/hl7-v2")
        .resources[0]
    )

    assert bundle["entry"][0]["resource"]["eventCoding"]["code"] == "not-relayed"
