"""Findings: the catalogue holds all of them, in three languages, and none quotes a value."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from adapter.fhir.types import r4
from adapter.outcome import (
    ROOM_OF_PREFIX,
    Issue,
    catalogue,
    finding,
    has_errors,
    operation_outcome,
    worst,
)

PACKAGE = Path(__file__).parent.parent / "adapter"
CODES = sorted(catalogue())
ISSUE_TYPES = r4().binding_codes("http://hl7.org/fhir/ValueSet/issue-type") or frozenset()


@pytest.mark.parametrize("code", CODES)
def test_a_finding_is_whole(code):
    """Every code has an R4 severity and issue-type, a text and help in three languages."""
    entry = finding(code)

    assert entry.severity in ("fatal", "error", "warning", "information")
    assert entry.type in ISSUE_TYPES
    assert set(entry.text) == set(entry.help) == {"en", "fi", "sv"}
    assert all(text.strip() for text in (*entry.text.values(), *entry.help.values()))


@pytest.mark.parametrize("code", CODES)
def test_a_finding_can_be_shown(code):
    """Text and help are shown in each language, whatever parameters an issue has."""
    issue = Issue(code)
    shown = [part for language in ("en", "fi", "sv") for part in (issue.text(language), issue.help(language))]

    assert not [part for part in shown if "{{" in part or "}}" in part]
    assert [part.count("{") for part in shown] == [part.count("}") for part in shown] or code in (
        "MP106",
        "MP109",
    )


@pytest.mark.parametrize("code", CODES)
def test_the_languages_name_the_same_parameters(code):
    """A parameter that one language shows, the others show too."""
    names = [
        {name for _, name, _, _ in string.Formatter().parse(text) if name}
        for text in finding(code).text.values()
    ]

    assert all(one == names[0] for one in names)


def test_every_code_in_the_source_is_in_the_catalogue():
    """No finding can be raised that could not be shown."""
    prefixes = "|".join(ROOM_OF_PREFIX)
    written = {
        code
        for file in PACKAGE.rglob("*.py")
        for code in re.findall(rf'"((?:{prefixes})\d{{3}})"', file.read_text("utf-8"))
    }

    assert written <= set(CODES)


def test_an_unknown_code_is_a_fault_of_ours():
    """A code nobody gave out is not shown as something else."""
    with pytest.raises(KeyError):
        finding("VA000")


def test_the_outcome_names_element_and_field():
    """An OperationOutcome carries the FHIRPath and the sender's own name of the place."""
    issue = Issue(CODES[0], "Bundle.entry[3].resource.code", source_field="PR1-3", line=4, column=7)

    said = operation_outcome([issue])["issue"][0]

    assert said["expression"] == ["Bundle.entry[3].resource.code"]
    assert said["location"] == ["PR1-3", "line 4, column 7"]
    assert said["details"]["coding"][0]["code"] == CODES[0]


def test_nothing_wrong_is_said_too():
    """OperationOutcome.issue is 1..*, so no issue at all is one that says so."""
    assert [issue["severity"] for issue in operation_outcome([])["issue"]] == ["information"]


def test_the_gravest_wins():
    """The worst of several issues is the one that decides."""
    issues = [Issue(CODES[0], level="warning"), Issue(CODES[0], level="error")]

    assert worst(issues) == "error"
    assert has_errors(issues)
    assert worst([]) is None
    assert not has_errors([Issue(CODES[0], level="warning")])


def test_a_missing_parameter_never_hides_the_finding():
    """A text whose parameter was forgotten is shown with the parameter's name."""
    shown = next(code for code in CODES if "{" in finding(code).text["en"])

    assert "<" in Issue(shown).text()
