"""A first map from a sample: certain things as rules, all else as a TODO, and it runs."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from adapter.cli import main
from adapter.errors import AdapterError, ConfigurationError
from adapter.fhir.packages import load
from adapter.mapping.cases import cases, judge
from adapter.mapping.fml.parser import parse
from adapter.mapping.mapset import MapSet
from adapter.mapping.readers import media_type_of, read
from adapter.mapping.scaffold import Draft, draft, target_of
from adapter.shipped import folder as shipped

if TYPE_CHECKING:
    from pathlib import Path

V2 = (
    "MSH|^~\\&|WARD|||||20260301||ADT^A03|1|T|2.5\r"
    "PID|1||170290-948C^^^&1.2.246.21&ISO^NNFIN||Lehtimäki^Siiri||19900217|F|||||040000000\r"
    "PR1|1||ABC12^Hoito^X||20260228\rPR1|2||ABC13^Toinen^X||20260301"
)
CDA = (
    '<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="1.2.3" extension="4711"/>'
    "<patient><name><given>Siiri</given><family>Lehtimäki</family></name>"
    '<birthTime value="19900217"/></patient></patientRole></recordTarget></ClinicalDocument>'
)
JSON: dict[str, Any] = {
    "sent": "2026-03-01T10:00:00Z", "birth_date": "1990-02-17", "gender": "female", "active": True,
    "name": [{"family": "Lehtimäki", "given": ["Siiri"], "rank": "x"}], "maritalStatus": "single",
    "multipleBirth": "2", "photo": "none", "birthPlace": "Kuopio",
}  # fmt: skip
CSV = "id;birthDate;gender;dose\n1;1990-02-17;female;5\n2;1991-02-17;male;6\n"
FHIR: dict[str, Any] = {
    "resourceType": "Patient", "id": "p", "birthDate": "1990-02-17", "deceasedBoolean": False,
    "name": [{"family": "Lehtimäki"}],
}  # fmt: skip
"""Invented people."""
SAMPLES = {
    "hl7": V2, "xml": CDA, "json": json.dumps(JSON), "csv": CSV, "fhir.json": json.dumps(FHIR),
}  # fmt: skip


@cache
def drafted(suffix: str, wanted: str, *, show_values: bool = False) -> Draft:
    """Draft a map from one of the samples, once for all tests."""
    body = SAMPLES[suffix].encode()
    kind = media_type_of(f"sample.{suffix}", body)
    packages = () if wanted in ("Patient", "Procedure") else (load(shipped("profiles")),)
    return draft(
        body, media_type=kind, target=target_of(wanted, packages), name="ward", show_values=show_values
    )


@pytest.mark.parametrize("suffix", SAMPLES)
@pytest.mark.parametrize("wanted", ["Patient", "Procedure"])
def test_a_draft_is_sound_and_its_case_holds(tmp_path: Path, suffix: str, wanted: str) -> None:
    """Whatever the sample and the target: it loads without a fault, runs, and does what its case says."""
    made = drafted(suffix, wanted)
    kind = suffix.rpartition(".")[2]
    for name, text in (
        ("maps/ward.map", made.map),
        (f"ward.{kind}", SAMPLES[suffix]),
        ("ward.toml", made.case),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())

    beside = [shipped("mappings") / name for name in ("shared", "tables")] if "imports" in made.map else []
    maps = MapSet.load([*beside, tmp_path / "maps"])

    assert [judge(case, maps).failures for case in cases(tmp_path)] == [()]


EXPECTED = {
    "hl7": ["identifier", "name", "birthDate", "gender"],
    "xml": ["identifier", "name", "birthDate"],
    "json": ["birthDate", "gender", "active", "name", "family", "given"],
    "csv": ["birthDate", "gender"],
    "fhir.json": ["birthDate", "deceased", "name"],
}


@pytest.mark.parametrize(("suffix", "elements"), EXPECTED.items())
def test_only_what_is_certain_becomes_a_rule(suffix: str, elements: list[str]) -> None:
    """Name and type agree, or the standard says it; a word that only sounds right stays a TODO."""
    text = drafted(suffix, "Patient").map

    targets = [line.partition("-> ")[2] for line in text.replace("->\n", "-> ").splitlines() if "-> " in line]
    written = [
        one.split(" ", 1)[0].strip(";").partition(".")[2] for one in (target.strip() for target in targets)
    ]
    assert [name for name in written if name and name not in ("type", "entry")] == elements


def test_every_leaf_is_mapped_or_listed() -> None:
    """What the TODOs name and what the rules read is the whole sample."""
    made = drafted("json", "notified-patient")

    assert {one.path for one in made.open} == {
        "sent", "name.rank", "maritalStatus", "multipleBirth", "photo", "birthPlace",
    }  # fmt: skip
    assert made.leaves == len(made.open) + 5
    assert "// TODO unread name.rank: /name/0/rank, code or word\n" in made.map


def test_what_the_profile_requires_and_fixes_is_said() -> None:
    """The profile is claimed; what it requires and the sample does not give is a TODO."""
    made = drafted("json", "https://silta.example/fhir/StructureDefinition/notified-patient")

    assert [one.path for one in made.missing] == ["Patient.identifier"]
    assert ".meta.profile = 'https://silta.example/fhir/StructureDefinition/notified-patient'" in made.map
    assert "// TODO required Patient.identifier: Identifier 1..*" in made.map


def test_codes_that_a_type_requires_are_named() -> None:
    """A required code comes with the codes there are."""
    assert "// TODO required Procedure.status: code 1..1, one of completed | entered-in-error" in drafted(
        "hl7", "Procedure"
    ).map  # fmt: skip


VALUES = ["170290", "Lehtimäki", "Siiri", "040000000", "ABC12", "Hoito", "4711", "Kuopio", "single", "1990"]


@pytest.mark.parametrize("suffix", SAMPLES)
def test_no_value_of_the_sample_is_written(suffix: str) -> None:
    """Neither map nor case quotes the sample; what stands there is only said by its kind."""
    made = drafted(suffix, "Procedure")

    assert [value for value in VALUES if value in made.map + made.case] == []


def test_values_are_shown_only_if_asked() -> None:
    """--show-values lets a TODO say what stands there."""
    assert "PID.f13.c1: PID-13, digits, such as 040000000" in drafted("hl7", "Patient", show_values=True).map


@pytest.mark.parametrize(
    ("wanted", "code", "near"),
    [("Patiemt", "MP407", "Patient"), ("https://example.org/x", "MP407", None), ("HumanName", "MP408", None)],
)
def test_a_target_that_cannot_be_is_refused(wanted: str, code: str, near: str | None) -> None:
    """An unknown name comes with the nearest; a data type is no resource."""
    with pytest.raises(ConfigurationError) as refused:
        target_of(wanted, ())

    assert refused.value.code == code
    assert near is None or refused.value.issue.params["near"] == near


def test_a_case_says_how_its_sample_is_read() -> None:
    """Charset and zone that the draft was told of stand in its case, so that it reads the sample, too."""
    body = "birthDate;family\n1990-02-17;Mäkelä\n".encode("cp1252")
    made = draft(
        body, media_type="text/csv", target=target_of("Patient", ()), name="x",
        charset="windows-1252", zone="Europe/Stockholm",
    )  # fmt: skip

    case = tomllib.loads(made.case)
    assert (case["media_type"], case["zone"]) == ("text/csv; charset=windows-1252", "Europe/Stockholm")


HOSTILE = [
    "a\nb",
    "birth`Date",
    "x\u2028y",
    'q"\\',
    "sex'; }",
    "\u0007",
    "{}",
    "",
    "uses\r\n//! ignore a: b",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_a_sample_stay_names(name: str) -> None:
    """A name of the sample with breaks, quotes or braces in it is listed, and never becomes map text."""
    body = json.dumps({name: "1990-02-17", "gender": "female", "more": {name: "x"}}).encode()

    made = draft(body, media_type="application/json", target=target_of("Patient", ()), name="x")

    tree, issues = parse(made.map, "x.map")
    assert (issues, tree is not None and len(tree.groups[0].rules)) == ([], 1)
    assert len(tomllib.loads(made.case)["unaccounted"]) == len(made.open) == 2


def test_a_name_that_is_none_is_refused() -> None:
    """A map's name goes into urls and file names."""
    with pytest.raises(ConfigurationError, match="MP409"):
        draft(b"{}", media_type="application/json", target=target_of("Patient", ()), name="../x")


def test_the_command_writes_map_sample_and_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it writes passes `check` and `test`, and is not written over by accident."""
    sample, out = tmp_path / "sample.hl7", tmp_path / "out"
    sample.write_bytes(V2.encode())
    typed = [
        "map",
        "scaffold",
        "--from",
        str(sample),
        "--profile",
        "Patient",
        "--name",
        "ward",
        "--out",
        str(out),
    ]

    assert main(typed) == 0
    assert main(["map", "check", str(out / "maps")]) == 0
    assert main(["map", "test", str(out), "--maps", str(out / "maps")]) == 0
    assert main(typed) == 2
    assert main([*typed, "--force", "--json"]) == 0

    said = capsys.readouterr()
    assert "stands there already" in said.err
    assert "1 of 1 cases hold" in said.out
    assert tomllib.loads((out / "ward.toml").read_text())["map"] == "ward"


def test_a_sample_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file name ends with 2 and names the file."""
    typed = ["--profile", "Patient", "--name", "ward", "--out", str(tmp_path)]

    assert main(["map", "scaffold", "--from", "nowhere.hl7", *typed]) == 2
    assert "nowhere.hl7: No such file" in capsys.readouterr().err


@pytest.mark.corpus
def test_real_samples_give_drafts(corpus: Path) -> None:
    """A few real sources of each kind give a draft, unless their reader refuses them."""
    picked = [
        path
        for kind in ("hl7v2-messages", "hl7v2-edge", "hl7v2-fhir-pairs", "ccda-examples", "finnish-kanta-cda")
        for path in sorted((corpus / kind).rglob("*.[hx][lm][7l]"))[2::60]
    ]
    assert picked
    for path in picked:
        body = path.read_bytes()
        try:
            read(body, media_type_of(path.name, body))
        except AdapterError:
            continue
        made = draft(
            body, media_type=media_type_of(path.name, body), target=target_of("Patient", ()), name="x"
        )
        assert sum(one.count for one in made.open) <= made.leaves, path.name
