"""Packages are opened safely, read late, and asked by canonical."""

from __future__ import annotations

import io
import json as plain_json
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from adapter.errors import ContentError, Malformed, TooCostly
from adapter.fhir import package_files
from adapter.fhir.packages import Package, PackageSet, load, version_order

if TYPE_CHECKING:
    from pathlib import Path

URL = "http://example.org/StructureDefinition/a"
MANIFEST = {
    "name": "example.base",
    "version": "1.0.0",
    "canonical": "http://example.org",
    "fhirVersions": ["4.0.1"],
    "dependencies": {"hl7.fhir.r4.core": "4.0.1", "example.other": "2.x", "example.missing": "1.0.0"},
}


def definition(version: str, url: str = URL) -> dict:
    return {
        "resourceType": "StructureDefinition",
        "id": "a",
        "url": url,
        "version": version,
        "name": f"V{version}",
    }


def archive(path: Path, files: dict[str, object], *, odd: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    """Write a .tgz of JSON files; values that are bytes are written as they are."""
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            body = content if isinstance(content, bytes) else plain_json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            made.addfile(member, io.BytesIO(body))
        for member in odd:
            made.addfile(member)
    return path


def simple(path: Path, version: str = "1.0.0", **manifest: object) -> Package:
    name = f"{path.name}-{version}.tgz"
    files = {
        "package/package.json": MANIFEST | {"version": version} | manifest,
        "package/a.json": definition(version),
    }
    return load(archive(path / name, files))


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_a_package_tells_its_manifest(tmp_path):
    """Name, version, canonical, FHIR versions and dependencies come from package.json."""
    package = simple(tmp_path)
    assert (package.name, package.version, package.canonical, package.fhir_versions) == (
        "example.base",
        "1.0.0",
        "http://example.org",
        ("4.0.1",),
    )


@pytest.mark.parametrize(
    ("canonical", "expected"),
    [
        (URL, "V2.0.0"),
        (f"{URL}|1.0.0", "V1.0.0"),
        (f"{URL}|3.0.0", None),
        ("http://nowhere", None),
        ("", None),
    ],
)
def test_a_resource_is_found_by_its_canonical(tmp_path, canonical, expected):
    """With a version that one, without one the newest."""
    files = {"a.json": definition("1.0.0"), "b.json": definition("2.0.0"), "c.json": definition("2.0.0-rc1")}
    found = load(archive(tmp_path / "x.tgz", files)).resource(canonical)
    assert (found and found["name"]) == expected


def test_a_folder_is_a_package_too(tmp_path):
    """A plain folder of JSON resources needs no manifest, and says nothing about it."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json").write_text(plain_json.dumps(definition("1.0.0")))
    (tmp_path / "notes.json").write_text("[]")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "b.json").write_text("{")
    package = load(tmp_path)
    assert (package.name, package.counts(), package.issues) == (tmp_path.name, {"StructureDefinition": 1}, [])


def test_numbers_in_definitions_keep_their_text(tmp_path):
    """Resources of packages are read like any other."""
    (tmp_path / "a.json").write_text('{"resourceType":"ValueSet","x":1.50}')
    assert str(next(load(tmp_path).resources("ValueSet"))["x"]) == "1.50"


def test_files_are_read_late(tmp_path):
    """What the index lists is not opened before it is asked for, so a broken file shows only then."""
    index = {"files": [{"filename": "a.json", "resourceType": "StructureDefinition", "url": URL}]}
    files = {"package/package.json": MANIFEST, "package/.index.json": index, "package/a.json": b"{"}
    package = load(archive(tmp_path / "x.tgz", files))
    before = (package.counts(), list(package.issues))
    assert (before, package.resource(URL)) == (({"StructureDefinition": 1}, []), None)
    assert [(issue.code, issue.at) for issue in package.issues] == [("FH304", "package/a.json")]


def test_files_beside_the_index_are_found(tmp_path):
    """An index that forgets a file hides nothing."""
    files = {
        "package/package.json": MANIFEST,
        "package/.index.json": {"files": []},
        "package/a.json": definition("1"),
    }
    assert load(archive(tmp_path / "x.tgz", files)).resource(URL) is not None


@pytest.mark.parametrize("index", [b"{", [], {"files": {}}, {"files": [1, {"filename": 1}]}, {"files": None}])
def test_an_odd_index_is_passed_over(tmp_path, index):
    """The files themselves are asked instead."""
    files = {
        "package/package.json": MANIFEST,
        "package/.index.json": index,
        "package/a.json": definition("1"),
    }
    assert load(archive(tmp_path / "x.tgz", files)).resource(URL) is not None


@pytest.mark.parametrize("manifest", [b"{", b"[]", {"name": 1, "dependencies": [], "fhirVersions": "4"}])
def test_an_odd_manifest_is_no_reason_to_refuse(tmp_path, manifest):
    """The name is taken from the file then."""
    package = load(archive(tmp_path / "x.tgz", {"package/package.json": manifest}))
    assert (package.name, package.dependencies) == ("x", {})


def test_a_package_without_a_manifest_is_a_warning(tmp_path):
    """Its dependencies cannot be checked, which somebody should know."""
    package = load(archive(tmp_path / "x.tgz", {"a.json": definition("1")}))
    assert [(issue.code, issue.severity) for issue in package.issues] == [("FH303", "warning")]


def test_unreadable_files_are_warnings(tmp_path):
    """The rest of the package is there all the same."""
    package = load(
        archive(tmp_path / "x.tgz", {"p/a.json": definition("1"), "p/b.json": b"\xff", "p/c.json": []})
    )
    assert (len(package.entries()), [issue.at for issue in package.issues][1:]) == (1, ["p/b.json"])


@pytest.mark.parametrize(
    "odd",
    [
        member("../x.json"),
        member("package/../../x.json"),
        member("/etc/x.json"),
        member("C:/x.json"),
        member("package\\..\\x.json"),
        member("package/link.json", tarfile.SYMTYPE, "/etc/passwd"),
        member("package/link.json", tarfile.SYMTYPE, "a.json"),
        member("package/link.json", tarfile.LNKTYPE, "package/a.json"),
        member("package/device.json", tarfile.CHRTYPE),
        member("package/fifo.json", tarfile.FIFOTYPE),
    ],
    ids=lambda odd: f"{odd.name}-{odd.type.decode()}",
)
def test_an_unsafe_archive_is_refused(tmp_path, odd):
    """Names that lead out, links and devices have no place in a package."""
    with pytest.raises(Malformed) as caught:
        load(archive(tmp_path / "x.tgz", {"package/a.json": definition("1")}, odd=(odd,)))
    assert caught.value.code == "FH301"


def test_a_link_out_of_a_folder_is_refused(tmp_path):
    """A link inside is followed, one that leaves the folder is not."""
    (tmp_path / "out.json").write_text("{}")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.json").write_text(plain_json.dumps(definition("1")))
    (folder / "b.json").symlink_to("a.json")
    assert len(load(folder).entries()) == 2
    (folder / "c.json").symlink_to("../out.json")
    with pytest.raises(Malformed):
        load(folder)


def test_a_bomb_is_refused_without_growing(tmp_path):
    """A small archive that unpacks to much ends before it does."""
    bomb = archive(tmp_path / "x.tgz", {"a.json": b" " * (package_files.LARGEST_FILE + 1)})
    tracemalloc.start()
    with pytest.raises(TooCostly):
        load(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("body", [b"", b"nothing", b"\x1f\x8b\x08\x00garbage", b"PK\x03\x04"])
def test_what_is_no_archive_is_malformed(tmp_path, body):
    """A file that is no .tgz is named as such."""
    file = tmp_path / "x.tgz"
    file.write_bytes(body)
    with pytest.raises(Malformed) as caught:
        load(file)
    assert caught.value.code == "FH300"


def test_a_truncated_archive_is_malformed(tmp_path):
    """A download that broke off is noticed."""
    whole = archive(tmp_path / "x.tgz", {f"{n}.json": definition(str(n), f"u{n * 7919}") for n in range(200)})
    body = whole.read_bytes()
    for cut in range(20, len(body) - 8, len(body) // 15):
        whole.write_bytes(body[:cut])
        with pytest.raises(ContentError):
            load(whole)


def test_nothing_is_malformed(tmp_path):
    """A path without a file says so."""
    with pytest.raises(Malformed) as caught:
        load(tmp_path / "none")
    assert caught.value.code == "FH307"


def test_a_set_finds_the_newest_and_the_first(tmp_path):
    """Without a version the newest counts, of equals the package named first."""
    old, new = simple(tmp_path, "1.0.0"), simple(tmp_path, "2.0.0")
    found = PackageSet([old, new])
    assert (found.find(URL)["version"], found.find(f"{URL}|1.0.0")["version"], found.find("x")) == (
        "2.0.0",
        "1.0.0",
        None,
    )


def test_unmet_dependencies_are_warnings(tmp_path):
    """A missing dependency and one of another version are named; the core is met by the type table."""
    package = simple(tmp_path)
    other = simple(tmp_path, "3.0.0", name="example.other", dependencies={})
    issues = PackageSet([package, other]).issues()
    assert [(issue.code, issue.params["dependency"], issue.severity) for issue in issues] == [
        ("FH306", "example.other", "warning"),
        ("FH305", "example.missing", "warning"),
    ]


def test_versions_have_an_order():
    """Candidates come before releases, and numbers count as numbers."""
    versions = [None, "2.0.0-rc2", "2.0.0-rc10", "2.0.0", "2.9", "2.10.0"]
    backwards = list(reversed(versions))
    assert sorted(backwards, key=version_order) == versions


@pytest.mark.corpus
def test_real_packages_are_read_whole(corpus):
    """Every resource of every package can be read, and the canonicals of its index lead to it."""
    unread = []
    for file in sorted(corpus.glob("*/*.tgz")):
        if "hl7.fhir.r4" in file.name or "xsd" in file.name:
            continue
        package = load(file)
        for entry in package.entries():
            resource = package.read(entry)
            if resource is None or resource.get("url") != entry.url:
                unread.append((file.name, entry.file))
    assert unread == []
