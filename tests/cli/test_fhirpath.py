"""`silta fhirpath`: what is printed where, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter.cli import main

if TYPE_CHECKING:
    from pathlib import Path

# An invented person.
PATIENT = """{"resourceType": "Patient", "multipleBirthInteger": 2,
 "name": [{"given": ["Testi"], "family": "Henkilö"}]}"""
XML = '<Patient xmlns="http://hl7.org/fhir"><name><given value="Testi"/></name></Patient>'


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with an invented patient."""
    path = tmp_path / "patient.json"
    path.write_text(PATIENT, "utf-8")
    return str(path)


def test_results_are_a_json_array(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The results come on stdout as one JSON array."""
    code = main(["fhirpath", "name.family | multipleBirth", file])

    assert (code, json.loads(capsys.readouterr().out)) == (0, ["Henkilö", 2])


def test_xml_is_read_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that begins with `<` is FHIR XML."""
    path = tmp_path / "patient.xml"
    path.write_text(XML, "utf-8")

    main(["fhirpath", "name.given", str(path), "--json"])

    assert capsys.readouterr().out == '["Testi"]\n'


def test_a_fault_is_shown_with_a_caret(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong expression is shown with a caret under the place and a word of help, and nothing on stdout."""
    code = main(["fhirpath", "name.givn", file])

    said = capsys.readouterr()
    assert (code, said.out, said.err.splitlines()[1:3]) == (2, "", ["  name.givn", "       ^"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["name.family.length()", "FILE"], 0),
        (["name.givn", "FILE", "--lenient"], 0),
        (["name.single().given.single()", "FILE"], 0),
        (["(1 | 2).single()", "FILE"], 1),
        (["1 +", "FILE"], 2),
        (["1", "no such file"], 2),
        (["1"], 2),
        (["1", "--explain"], 0),
        (["given", "--explain", "--context", "HumanName", "--json"], 0),
        (["1", "--explain", "--context", "Nobody"], 2),
    ],
)
def test_the_exit_code_says_whose_move_it_is(file: str, arguments: list[str], code: int) -> None:
    """0 evaluated, 1 the evaluation failed, 2 the expression or the call is wrong."""
    assert main(["fhirpath", *(file if one == "FILE" else one for one in arguments)]) == code


def test_a_fault_is_an_operation_outcome_with_json(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json a fault is one document too."""
    main(["fhirpath", "name.givn", file, "--json"])

    assert json.loads(capsys.readouterr().out)["issue"][0]["details"]["coding"][0]["code"] == "FP203"
