"""`silta package build` writes a package that stands by itself, under any canonical."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter import __version__
from adapter.cli import main
from adapter.cli.published import definitions, examples
from adapter.fhir.canonical import BASE
from adapter.fhir.package_files import write_archive
from adapter.fhir.packages import Package, load
from adapter.fhir.publication import Publication
from adapter.fhir.publication import files as publication_files
from adapter.mapping.fml.structuremap import from_structure_map
from adapter.shipped import folder
from adapter.validation import Validator
from adapter.validation.finnish import finnish_base
from tests.shipped import validator as shipped_validator

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "https://county.example/fhir/work-ability"


def build(target: Path, *options: str) -> Path:
    assert main(["package", "build", "--out", str(target), *options]) == 0
    return target


@pytest.fixture(scope="module")
def publication() -> Publication:
    """What is published, gathered once."""
    validator = shipped_validator()
    gathered, shown = tuple(definitions(validator)), dict(examples(validator))
    return Publication(version=__version__, definitions=gathered, examples=shown)


@pytest.fixture(scope="module")
def built(publication: Publication, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is built without options."""
    target = tmp_path_factory.mktemp("package") / "silta.tgz"
    target.write_bytes(write_archive(publication_files(publication)))
    return target


@pytest.fixture(scope="module")
def moved(publication: Publication, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package under a name, version and canonical of somebody else."""
    target = tmp_path_factory.mktemp("moved") / "moved.tgz"
    other = replace(publication, name="county.work-ability", version="3.1.4", canonical=OTHER)
    target.write_bytes(write_archive(publication_files(other)))
    return target


@pytest.fixture(scope="module")
def files(built: Path) -> dict[str, Any]:
    """Its files, read as JSON."""
    return read(built)


def read(file: Path) -> dict[str, Any]:
    with tarfile.open(file) as archive:
        return {member.name: json.load(archive.extractfile(member)) for member in archive}  # type: ignore[arg-type]


def test_the_same_definitions_give_the_same_bytes(publication: Publication, tmp_path: Path):
    """Gathered and written once more, every byte is the same."""
    once = write_archive(publication_files(replace(publication, examples={})))

    assert build(tmp_path / "again.tgz", "--no-examples").read_bytes() == once


def test_no_file_says_who_wrote_it_when(built: Path):
    """Owner and time of every file are nothing, and the manifest comes first."""
    with tarfile.open(built) as archive:
        members = list(archive)

    assert {(one.uid, one.gid, one.uname, one.mtime, one.mode) for one in members} == {(0, 0, "", 0, 0o644)}
    assert members[0].name == "package/package.json"


def test_the_manifest_names_what_the_package_rests_on(files: dict[str, Any]):
    """Core and Finnish base with the version the profiles are made for."""
    manifest = files["package/package.json"]

    assert (manifest["fhirVersions"], manifest["canonical"], manifest["dependencies"]) == (
        ["4.0.1"],
        BASE,
        {"hl7.fhir.r4.core": "4.0.1", "hl7.fhir.fi.base": "2.0.0-rc2"},
    )


@pytest.mark.parametrize("place", ["package", "package/example"])
def test_the_index_lists_every_resource(files: dict[str, Any], place: str):
    """An index, version 2, says of each file what the resource says."""
    index = files[f"{place}/.index.json"]
    resources = {
        name.rpartition("/")[2]: content
        for name, content in files.items()
        if name.rpartition("/")[0] == place and "resourceType" in content
    }

    assert index["index-version"] == 2
    assert {row["filename"] for row in index["files"]} == set(resources)
    assert all(
        resources[row["filename"]][key] == row[key]
        for row in index["files"]
        for key in row
        if key != "filename"
    )


def test_every_shipped_definition_is_in_it(files: dict[str, Any]):
    """What stands in profiles/ and mappings/ goes out, maps as StructureMap."""
    shipped = {one["url"] for room in ("profiles", "mappings") for one in load(folder(room)).resources()}
    maps = {f"{BASE}/StructureMap/{file.stem}" for file in folder("mappings").rglob("*.map")}
    published = {one["url"] for name, one in files.items() if "/example/" not in name and "url" in one}

    assert shipped | maps <= published


def test_profiles_and_models_are_whole(files: dict[str, Any]):
    """Each has a snapshot, in which every element of its differential stands, in the same order."""
    for one in files.values():
        if one.get("resourceType") == "StructureDefinition":
            whole = [element["id"] for element in one["snapshot"]["element"]]
            said = [element["id"] for element in one["differential"]["element"] if element["id"] in whole]
            assert said == sorted(said, key=whole.index), one["id"]


def test_the_maps_can_be_read_back(files: dict[str, Any]):
    """A StructureMap of the package is the map that it was made from."""
    faults = [
        issue
        for one in files.values()
        if one.get("resourceType") == "StructureMap"
        for issue in from_structure_map(one, one["id"])[1]
        if issue.is_error
    ]

    assert faults == []


def test_another_canonical_stands_everywhere(moved: Path):
    """Addresses, references, expressions and maps speak of the new base, and none of ours."""
    content = read(moved)

    assert not [name for name, one in content.items() if BASE in json.dumps(one)]
    assert {one["version"] for one in content.values() if str(one.get("url", "")).startswith(OTHER)} == {
        "3.1.4"
    }


def test_the_examples_hold_to_the_moved_profiles(moved: Path):
    """A package under another canonical is as good as ours: its examples are valid by its profiles."""
    package = load(moved)
    validator = Validator([package, finnish_base()])
    examples = [one for one in package.entries() if "example/Bundle-notification-" in one.file]

    faults = [
        (entry.file, issue.code, issue.at)
        for entry in examples
        for issue in validator.validate(package.read(entry))
        if issue.is_error
    ]
    assert len(examples) > 10
    assert faults == []


def test_a_rule_bites_in_the_moved_package(moved: Path):
    """The expressions of the moved profiles ask for the moved addresses."""
    package = load(moved)
    validator = Validator([package, finnish_base()])
    broken = dict(_example(package, "notification-back-surgery"))
    broken["entry"] = [*broken["entry"], broken["entry"][-1]]
    profile = f"{OTHER}/StructureDefinition/notification-message"
    header = broken["entry"][0]["resource"]
    header["reason"] = {"coding": [{"system": f"{OTHER}/CodeSystem/event-meaning", "code": "planned"}]}

    rules = {issue.params.get("key") for issue in validator.validate(broken, profile)}

    assert "nm-4" in rules


def _example(package: Package, name: str) -> dict[str, Any]:
    entry = next(one for one in package.entries() if one.file.endswith(f"-{name}.json"))
    return json.loads(package.files.read(entry.file))


@pytest.mark.parametrize(
    "options",
    [
        ("--name", "Silta"),
        ("--name", "silta"),
        ("--version", "1"),
        ("--canonical", "urn:x"),
        ("--canonical", "https://a/"),
    ],
    ids=" ".join,
)
def test_what_no_registry_would_take_is_refused(options: tuple[str, str], tmp_path: Path, capsys):
    """A name without a dot, a version without three numbers, a canonical that is no http address."""
    code = main(["package", "build", "--out", str(tmp_path / "x.tgz"), *options])

    assert (code, "FH308" in capsys.readouterr().err, list(tmp_path.iterdir())) == (2, True, [])


def test_a_package_of_the_cache_is_shown_by_name(built: Path, tmp_path: Path, monkeypatch, capsys):
    """NAME is the newest version in the package cache, NAME#VERSION that one."""
    for version in ("1.9.0", "1.10.0"):
        place = tmp_path / ".fhir" / "packages" / f"a.b#{version}" / "package"
        place.mkdir(parents=True)
        (place / "package.json").write_text(json.dumps({"name": "a.b", "version": version}))
    monkeypatch.setenv("HOME", str(tmp_path))

    said = []
    for name in ("a.b", "a.b#1.9.0"):
        main(["package", "show", name])
        said.append(capsys.readouterr().out.splitlines()[0])

    assert said == ["a.b 1.10.0", "a.b 1.9.0"]
