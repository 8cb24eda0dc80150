"""`silta validate` and `silta explain`, as a person calls them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapter.cli import explain, validate

if TYPE_CHECKING:
    from pathlib import Path

GOOD = '{"resourceType": "Patient", "gender": "other"}'
BAD = '{"resourceType": "Patient", "gender": "x"}'


def silta(*words: str) -> int:
    """Run a command within this process, and return its exit code."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    validate.register(commands)
    explain.register(commands)
    arguments = parser.parse_args(words)
    code: int = arguments.run(arguments)
    return code


@pytest.mark.parametrize(("content", "code"), [(GOOD, 0), (BAD, 1), ("{", 1)])
def test_the_exit_code_says_whether_there_are_errors(tmp_path: Path, content: str, code: int) -> None:
    """0 if nothing is wrong, 1 if something is."""
    file = tmp_path / "a.json"
    file.write_text(content)

    assert silta("validate", str(file)) == code


@pytest.mark.parametrize("words", [["/nowhere/x.json"], ["--package", "/nowhere/x.tgz", "/nowhere"]])
def test_what_cannot_be_opened_is_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A file or package that is not there gives exit 2, said on stderr alone."""
    code = silta("validate", *words)

    assert (code, capsys.readouterr().out) == (2, "")


def test_a_folder_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every JSON and XML file below a folder is held against the rules."""
    (tmp_path / "in").mkdir()
    (tmp_path / "a.json").write_text(GOOD)
    (tmp_path / "in" / "b.xml").write_text('<Patient xmlns="http://hl7.org/fhir"><id value="a"/></Patient>')
    (tmp_path / "c.txt").write_text("no resource")

    silta("validate", str(tmp_path))

    assert "2 files" in capsys.readouterr().out


def test_json_is_one_outcome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--format json prints one OperationOutcome and nothing else."""
    file = tmp_path / "a.json"
    file.write_text(BAD)

    silta("validate", "--format", "json", str(file))

    assert json.loads(capsys.readouterr().out)["issue"][0]["expression"] == ["Patient.gender"]


def test_an_unknown_element_of_xml_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the reader has said of an element the validator does not say again."""
    file = tmp_path / "a.xml"
    file.write_text('<Patient xmlns="http://hl7.org/fhir"><nick value="x"/></Patient>')

    silta("validate", "--format", "json", str(file))

    assert len(json.loads(capsys.readouterr().out)["issue"]) == 1


def test_an_instance_of_a_logical_model_is_no_resource(tmp_path: Path) -> None:
    """A file held against a logical model needs no resourceType, and its faults have their lines."""
    file = tmp_path / "event.json"
    file.write_text('{\n"format": 5\n}')
    model = "https://silta.example/fhir/StructureDefinition/hospital-event"

    assert silta("validate", "--profile", model, str(file)) == 1


def test_a_profile_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A profile asked for by name must be at hand."""
    file = tmp_path / "a.json"
    file.write_text(GOOD)

    assert silta("validate", "--profile", "urn:x:none", str(file)) == 1


@pytest.mark.parametrize(("language", "word"), [("en", "Severity"), ("fi", "Vakavuus"), ("sv", "Allvar")])
def test_explain_says_all_of_a_code(language: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The entry is printed in the language asked for."""
    silta("explain", "va401", "--lang", language)

    assert word in capsys.readouterr().out


def test_explain_suggests_the_nearest_code(capsys: pytest.CaptureFixture[str]) -> None:
    """A code that was never given out is exit 2, with a suggestion."""
    code = silta("explain", "VA4011")

    assert (code, "VA401" in capsys.readouterr().err) == (2, True)


def test_explain_loads_nothing_heavy() -> None:
    """Explaining a code does not open the type table."""
    code = (
        "import argparse,sys;from adapter.cli import explain;p=argparse.ArgumentParser();"
        "explain.register(p.add_subparsers());a=p.parse_args(['explain','VA401']);a.run(a);"
        "sys.exit('adapter.fhir.types' in sys.modules)"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0
    )
