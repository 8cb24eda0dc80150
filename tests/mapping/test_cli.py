"""`silta map` as a person types it."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter.cli import main
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAP = (
    "/// url = 'urn:person'\n/// name = 'person'\n//! accepts kind = 'person'\n"
    + JSON
    + to("Patient")
    + "let origin = {};\n"
    "group G(source src : Json, target tgt : Patient) {\n"
    '  src.sex as s -> tgt.gender = s "sex";\n  src.born as b -> tgt.birthDate = cast(b, \'date\') "born";\n'
    '  src -> tgt.identifier as i, i.system = origin "origin";\n}\n//! ignore kind: says what it is\n'
)


@pytest.fixture
def maps(folder: Callable[..., Path]) -> Path:
    """A folder with one map."""
    return folder({"person.map": MAP})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source that the map takes."""
    path = tmp_path / "source.json"
    path.write_text('{"kind": "person", "sex": "female", "born": "19900101", "more": 1}')
    return path


def test_run_prints_the_result(maps: Path, source: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The resource goes to stdout; a constant comes from the command line."""
    code = main(["map", "run", str(source), "--map", "auto", "--maps", str(maps), "--set", "origin=urn:o"])

    assert code == 0
    assert json.loads(capfdbinary.readouterr().out) == {
        "resourceType": "Patient", "identifier": [{"system": "urn:o"}], "gender": "female", "birthDate": "1990-01-01",
    }  # fmt: skip


def test_run_tells_everything_as_one_json_document(
    maps: Path, source: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Resources, issues, accounting and lineage together."""
    code = main(
        [
            "map",
            "run",
            str(source),
            "--map",
            "person",
            "--maps",
            str(maps),
            "--json",
            "--account",
            "--lineage",
        ]
    )

    said = json.loads(capfdbinary.readouterr().out)
    assert code == 0
    assert said["accounting"]["counts"]["unaccounted"] == 1
    assert said["lineage"][0] == {
        "target": "Patient.gender", "map": "person.map:8", "rule": "sex", "sources": ["/sex"], "context": "/sex",
    }  # fmt: skip


def test_run_fails_on_what_is_unaccounted_if_asked(
    maps: Path, source: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A build can be made to stop at the first leaf nobody decided about."""
    arguments = [
        "map",
        "run",
        str(source),
        "--map",
        "person",
        "--maps",
        str(maps),
        "--fail-on",
        "unaccounted",
    ]

    assert main(arguments) == 1


def test_run_ends_with_findings_for_a_bad_value(
    maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error is said on stderr with the sender's field, and never with the value."""
    bad = tmp_path / "bad.json"
    bad.write_text('{"kind": "person", "born": "secret"}')

    code = main(["map", "run", str(bad), "--map", "person", "--maps", str(maps)])

    said = capsys.readouterr().err
    assert (code, "MP321" in said, "/born" in said, "secret" in said) == (1, True, True, False)


def test_check_lists_every_fault(folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Each fault has file, line, column and help."""
    place = folder({"bad.map": MAP.replace("tgt.gender", "tgt.gendre").replace("cast(b, 'date')", "cst(b)")})

    code = main(["map", "check", str(place)])

    said = capsys.readouterr().out
    assert code == 1
    assert "bad.map:8:19: error MP207 Patient has no element gendre; nearest is gender." in said
    assert "bad.map:9:36: error MP215" in said
    assert said.count("help:") == 2


def test_fmt_writes_once_and_then_leaves_alone(maps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Formatting twice changes nothing the second time."""
    assert main(["map", "fmt", str(maps)]) == 0

    assert main(["map", "fmt", "--check", str(maps)]) == 0


def test_fmt_leaves_a_broken_file_alone(
    folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read is not written."""
    place = folder({"bad.map": "group {"})

    code = main(["map", "fmt", str(place)])

    assert (code, (place / "bad.map").read_text()) == (1, "group {")


def test_explain_and_list_and_coverage(maps: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rules behind an element, the maps there are, and the rules that ran."""
    own = ["--maps", str(maps)]

    assert main(["map", "explain", "Patient.gender", "--map", "person", *own]) == 0
    assert main(["map", "list", *own]) == 0
    assert main(["map", "coverage", str(source), "--map", "person", *own]) == 0

    said = capsys.readouterr().out
    assert "person.map:8  G/sex" in said
    assert "person  json  urn:person" in said
    assert "3 of 3 rules ran" in said


@pytest.mark.parametrize(
    "arguments", [["run", "nowhere.hl7", "--map", "auto"], ["run", __file__, "--map", "nope"]]
)
def test_a_wrong_word_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Usage and configuration end with 2, on stderr."""
    assert main(["map", *arguments]) == 2


def test_check_tells_what_other_engines_read_otherwise(
    folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is ours alone is a warning by default and an error with --portable."""
    odd = "src.a.b as x -> tgt.maritalStatus.text = x; src.a as a, src.b as b -> tgt.gender = a, tgt.id = b;"
    place = folder({"odd.map": MAP.replace('src.sex as s -> tgt.gender = s "sex";', odd)})

    assert main(["map", "check", str(place)]) == 0
    assert main(["map", "check", "--portable", str(place)]) == 1

    said = capsys.readouterr().out
    assert [code for code in ("MP501", "MP502", "MP503", "MP504") if f"error {code}" in said] == [
        "MP501", "MP502", "MP503", "MP504",
    ]  # fmt: skip
