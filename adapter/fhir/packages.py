"""FHIR packages: definitions by canonical, from a .tgz or a folder.

A package is what FHIR registries publish: `package/package.json` and one JSON resource a file. A plain folder
of JSON resources is one too, only without a name of its own. Files are read when a resource is asked for.
What a package lacks (a manifest, a readable file, a dependency) is a warning that stays with it, never a
reason to refuse what is there.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from adapter.errors import ContentError, Malformed
from adapter.fhir import json
from adapter.fhir.budget import DEFAULT
from adapter.fhir.package_files import LARGEST_FILE, Files, open_archive, open_folder
from adapter.fhir.types import r4
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from adapter.fhir.json import Resource

BUDGET = replace(DEFAULT, bytes=LARGEST_FILE, depth=200, elements=5_000_000, text=LARGEST_FILE)
"""Definitions come from people we chose; value sets among them are larger than any message."""

_PART = re.compile(r"[0-9]+|[^0-9.]+")
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One resource of a package, as its index tells."""

    file: str
    resource_type: str
    id: str | None
    url: str | None
    version: str | None


@dataclass(slots=True, kw_only=True)
class Package:
    """One package. Get it by `load`."""

    name: str
    version: str
    files: Files
    canonical: str | None = None
    fhir_versions: tuple[str, ...] = ()
    dependencies: Mapping[str, str] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    """Warnings: what could not be read. Files are read late, so some come late."""
    _index: dict[str, dict[str, Any]] | None = None
    """What the package's own `.index.json` says, by file."""
    _entries: tuple[Entry, ...] | None = None
    _by_url: dict[str, list[Entry]] = field(default_factory=dict)
    _read: dict[str, Resource] = field(default_factory=dict)

    def entries(self) -> tuple[Entry, ...]:
        """Return all resources of the package, without reading those its index lists."""
        if self._entries is None:
            found = [entry for name in self.files.names() if (entry := self._entry(name))]
            found.sort(key=lambda entry: (entry.file.count("/"), entry.file))
            by_url: dict[str, list[Entry]] = {}
            for entry in found:
                if entry.url:
                    by_url.setdefault(entry.url, []).append(entry)
            # Another thread looks here too: the entries say that the rest is ready, so they come last.
            self._by_url = by_url
            self._entries = tuple(found)
        return self._entries

    def resource(self, canonical: str) -> Resource | None:
        """Return the resource with a canonical, `url` or `url|version`; None if it is not here.

        Without a version the newest one counts. Callers share what is returned: do not change it.
        """
        entry = self.entry(canonical)
        return None if entry is None else self.read(entry)

    def entry(self, canonical: str) -> Entry | None:
        """Return the index entry of a canonical, without reading the resource."""
        self.entries()
        url, _, version = canonical.partition("#")[0].partition("|")
        found = [entry for entry in self._by_url.get(url, ()) if not version or entry.version == version]
        return max(found, key=lambda entry: version_order(entry.version), default=None)

    def resources(self, resource_type: str | None = None) -> Iterator[Resource]:
        """Yield the resources of one type, or all, in order of their files."""
        for entry in self.entries():
            if resource_type in (None, entry.resource_type):
                resource = self.read(entry)
                if resource is not None:
                    yield resource

    def read(self, entry: Entry) -> Resource | None:
        """Return the resource of an entry; None, with a warning in `issues`, if its file cannot be read."""
        known = self._read.get(entry.file)
        if known is None:
            known = self._load(entry.file)
            if known is not None:
                self._read[entry.file] = known
        return known

    def counts(self) -> dict[str, int]:
        """Return how many resources of each type there are, by name of type."""
        return dict(sorted(Counter(entry.resource_type for entry in self.entries()).items()))

    def _load(self, name: str) -> Resource | None:
        try:
            resource = json.read(self.files.read(name), BUDGET)
        except ContentError as problem:
            issue = Issue("FH304", at=name, line=problem.issue.line, column=problem.issue.column)
            self.issues.append(issue)
            return None
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            return resource
        return None

    def _entry(self, name: str) -> Entry | None:
        """Return the entry of a file: from the index if it is listed, else by reading it."""
        folder, _, file = name.rpartition("/")
        if file.startswith(".") or file == "package.json":
            return None
        listed = (self._index or {}).get(file) if folder in ("", "package") else None
        stated = listed or self._head(name)
        if stated is None or not isinstance(stated.get("resourceType"), str):
            return None
        return Entry(
            file=name,
            resource_type=stated["resourceType"],
            id=_text(stated.get("id")),
            url=_text(stated.get("url")),
            version=_text(stated.get("version")),
        )

    def _head(self, name: str) -> dict[str, Any] | None:
        try:
            found = orjson.loads(self.files.read(name))
        except (orjson.JSONDecodeError, ContentError):
            self.issues.append(Issue("FH304", at=name))
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class PackageSet:
    """Several packages that are asked as one; those named first come first."""

    packages: tuple[Package, ...]

    def __init__(self, packages: Iterable[Package] = ()) -> None:
        object.__setattr__(self, "packages", tuple(packages))

    def find(self, canonical: str) -> Resource | None:
        """Return the resource with a canonical, `url` or `url|version`, from the package that has it.

        Without a version the newest counts, and of equals the one of the package named first. None if no
        package has it, or not in that version.
        """
        found = [(entry, package) for package in self.packages if (entry := package.entry(canonical))]
        if not found:
            return None
        entry, package = max(found, key=lambda one: version_order(one[0].version))
        return package.read(entry)

    def resources(self, resource_type: str | None = None) -> Iterator[Resource]:
        """Yield the resources of one type, or all, package by package."""
        for package in self.packages:
            yield from package.resources(resource_type)

    def issues(self) -> list[Issue]:
        """Return the warnings of all packages, and those about dependencies that are not met."""
        return [issue for package in self.packages for issue in self.issues_of(package)]

    def issues_of(self, package: Package) -> list[Issue]:
        """Return the warnings of one package of the set, unmet dependencies last."""
        return [*package.issues, *self._unmet(package)]

    def _unmet(self, package: Package) -> Iterator[Issue]:
        loaded: dict[str, set[str]] = {}
        for built_in in r4().packages:
            loaded.setdefault(built_in.name, set()).add(built_in.version)
        for other in self.packages:
            loaded.setdefault(other.name, set()).add(other.version)
        for name, wanted in package.dependencies.items():
            versions = loaded.get(name, set())
            if any(_meets(version, wanted) for version in versions):
                continue
            params = {
                "package": f"{package.name} {package.version}".strip(),
                "dependency": name,
                "version": wanted,
            }
            if versions:
                params["loaded"] = max(versions, key=version_order)
            yield Issue("FH306" if versions else "FH305", at=package.name, params=params)


def load(path: Path) -> Package:
    """Open a package: a .tgz, an unpacked package, or a folder of JSON resources.

    Raises Malformed or TooCostly if it cannot be read safely, or there is nothing at `path`. Everything less
    is a warning in `Package.issues`.
    """
    if path.is_dir():
        files: Files = open_folder(path)
    elif path.is_file():
        files = open_archive(path)
    else:
        raise Malformed("FH307", at=path.name)
    names = set(files.names())
    inside = "package/" if "package/package.json" in names else ""
    manifest = _manifest(files, f"{inside}package.json", names)
    dependencies = manifest.get("dependencies")
    return Package(
        name=_text(manifest.get("name")) or path.name.removesuffix(".tgz"),
        version=_text(manifest.get("version")) or "",
        canonical=_text(manifest.get("canonical")),
        fhir_versions=_texts(manifest.get("fhirVersions") or manifest.get("fhir-version-list")),
        dependencies={
            str(name): str(version)
            for name, version in (dependencies.items() if isinstance(dependencies, dict) else ())
        },
        files=files,
        issues=[Issue("FH303", at=path.name)] if path.is_file() and not manifest else [],
        _index=_listed(files, f"{inside}.index.json", names),
    )


def version_order(version: str | None) -> tuple[tuple[int, ...], bool, tuple[tuple[int, str], ...]]:
    """Return what puts versions in order: `2.0.0-rc2` before `2.0.0` before `2.10.0`; none comes first."""
    release, _, candidate = (version or "").partition("-")
    numbers = tuple(int(number) for number in _NUMBER.findall(release))
    parts = tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _PART.findall(candidate))
    return numbers, not candidate, parts


def _meets(version: str, wanted: str) -> bool:
    """Return True if a version is the one wanted; `4.0.x` takes any patch, `current` and such any at all."""
    if not wanted[:1].isdigit():
        return True
    stem, wild, _ = wanted.partition("x")
    return version.startswith(stem) if wild else version == wanted


def _manifest(files: Files, name: str, names: set[str]) -> dict[str, Any]:
    if name not in names:
        return {}
    try:
        found = orjson.loads(files.read(name))
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _listed(files: Files, name: str, names: set[str]) -> dict[str, dict[str, Any]]:
    """Return the rows of `.index.json` by file name, as far as they are what they should be."""
    rows = _manifest(files, name, names).get("files")
    return {
        row["filename"]: row
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and isinstance(row.get("filename"), str)
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
