"""Folders of maps, code tables and models read and checked together, all faults at once.

What was read before and has not changed since is not worked out again: a map that sees the same texts, tables
and models is the same map.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.errors import AdapterError
from adapter.mapping import writers
from adapter.mapping.accounting import Ignored, ignored_path, pragma
from adapter.mapping.build import build
from adapter.mapping.collection import uncollected
from adapter.mapping.conceptmap import COLUMNS, ConceptMaps, from_csv, from_fhir
from adapter.mapping.fml.faults import Faults
from adapter.mapping.fml.items import without_items
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.resolver import Library
from adapter.mapping.fml.structuremap import from_structure_map
from adapter.mapping.map import Map
from adapter.mapping.models import Models
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter.fhirpath.expression import Expression
    from adapter.mapping.conceptmap import ConceptMap
    from adapter.mapping.fml.tree import MapFile
    from adapter.mapping.nodes import Item

MAP_SUFFIXES = (".map", ".fml")


def check(
    folders: Path | str | Iterable[Path | str], packages: Iterable[Item] = (), trusted: Iterable[Path] = ()
) -> tuple[list[Map], list[Issue]]:
    """Read and check everything; give the maps that can be read and all issues, warnings included.

    `trusted`: as for `load`.
    """
    loaded = load(folders, packages, trusted=trusted)
    return loaded.maps, loaded.issues


@lru_cache(maxsize=256)
def _read(content: bytes, name: str) -> tuple[MapFile | None, tuple[Issue, ...]]:
    """Read a map file; what has not changed is the very same tree, by which its map is known again.

    Raises UnicodeDecodeError.
    """
    tree, issues = parse(content.decode("utf-8-sig"), name)
    return tree and without_items(tree), tuple(issues)


@dataclass(slots=True)
class Loaded:
    """What folders and packages held."""

    maps: list[Map]
    issues: list[Issue]
    """All of them, errors and warnings."""
    tables: dict[str, ConceptMap] = field(default_factory=dict)
    definitions: list[dict[str, Item]] = field(default_factory=list)
    packages: Sequence[Item] = ()
    seen: dict[int, list[MapFile]] = field(default_factory=dict)
    """What the map of a file can see, by the identity of the file."""
    trusted: Sequence[Path] = ()
    """Folders whose maps were checked when they were made."""


@uncollected
def load(
    folders: Path | str | Iterable[Path | str],
    packages: Iterable[Item] = (),
    before: Loaded | None = None,
    trusted: Iterable[Path] = (),
) -> Loaded:
    """Read and check everything.

    `before`: an earlier loading without errors, of the same packages. `trusted`: folders whose maps were
    checked when they were made; one is checked again only where another folder changes what it sees.
    """
    places = [Path(folders)] if isinstance(folders, (str, Path)) else [Path(one) for one in folders]
    return _Loading(packages, before, trusted).load(places)


class _Loading:
    """Gathers files of all folders, then resolves and checks them together."""

    def __init__(self, packages: Iterable[Item], before: Loaded | None, trusted: Iterable[Path] = ()) -> None:
        self.before = before
        self.trusted = frozenset(trusted)
        self.trusted_layers: set[int] = set()
        self.overridden = False
        """Whether some table took another's place: whoever translates by it is checked again."""
        self.issues: list[Issue] = []
        self.files: dict[str, MapFile] = {}
        self.layers: dict[str, int] = {}
        self.layer = 0
        self.tables = ConceptMaps()
        self.models = Models()
        self.packages = list(packages)

    def load(self, folders: list[Path]) -> Loaded:
        definitions: list[dict[str, Item]] = []
        for package in self.packages:
            definitions += package.resources("StructureDefinition")
            for resource in package.resources("ConceptMap"):
                self.tables.add(from_fhir(resource))
        for folder in folders:
            if not folder.is_dir():
                self.issues.append(Issue("MP405", str(folder)))
                continue
            self.layer += 1
            if folder in self.trusted:
                self.trusted_layers.add(self.layer)
            for path in sorted(folder.rglob("*")):
                self.file(path, folder, definitions)
        tables = {table.url: table for table in self.tables}
        before = self.before
        if before is None or before.definitions != definitions or before.tables != tables:
            before = None
            self.models = Models(definitions)
        else:
            self.models = before.maps[0].models if before.maps else Models(definitions)
        library = Library(self.files.values(), self.tables, self.models)
        faults = Faults()
        library.check_files(faults)
        maps = [
            self.unchanged(file, library, before) or self.map(file, library, faults)
            for file in library.files.values()
            if file.groups
        ]
        self.issues += faults.issues
        self.issues.sort(key=lambda issue: (issue.at or "", issue.line or 0, issue.column or 0))
        # What a group says of an expression it says again for each combination of types it is called with.
        self.issues = [
            one for at, one in enumerate(self.issues) if one not in self.issues[max(at - 8, 0) : at]
        ]
        seen = {id(file): library.visible(file) for file in library.files.values()}
        return Loaded(maps, self.issues, tables, definitions, self.packages, seen, tuple(self.trusted))

    def unchanged(self, file: MapFile, library: Library, before: Loaded | None) -> Map | None:
        """Return the map as it was made before, if all that it sees is what it saw then."""
        if before is None:
            return None
        then, now = before.seen.get(id(file)), library.visible(file)
        if then is None or len(then) != len(now) or any(a is not b for a, b in zip(then, now, strict=True)):
            return None
        layer = self.layers.get(file.url or file.text.file, 0)
        known = next((one for one in before.maps if one.file is file and one.layer == layer), None)
        if known is not None:
            names = {one.text.file for one in now}
            self.issues += [issue for issue in before.issues if issue.at in names and issue.code != "MP230"]
        return known

    def file(self, path: Path, folder: Path, definitions: list[dict[str, Item]]) -> None:
        name = path.relative_to(folder).as_posix()
        if path.suffix in MAP_SUFFIXES:
            self.map_file(path, name)
        elif path.suffix == ".csv":
            self.table(path, name)
        elif path.suffix == ".json":
            self.resource(path, name, definitions)

    def map_file(self, path: Path, name: str) -> None:
        try:
            tree, issues = _read(path.read_bytes(), name)
        except UnicodeDecodeError:
            self.issues.append(Issue("MP110", name))
            return
        self.read(tree, issues, name)

    def read(self, tree: MapFile | None, issues: Iterable[Issue], name: str) -> None:
        self.issues += issues
        if tree is not None:
            key = tree.url or name
            if key in self.files:
                self.issues.append(Issue("MP230", name, {"url": key, "other": self.files[key].text.file}))
            self.files[key] = tree
            self.layers[key] = self.layer

    def table(self, path: Path, name: str) -> None:
        text = path.read_bytes().decode("utf-8-sig", "replace")
        if not _is_table(text):
            return
        table, issues = from_csv(text, name, path.stem)
        self.issues += issues
        if table is not None:
            self.added(self.tables.add(table), table.url, name)

    def resource(self, path: Path, name: str, definitions: list[dict[str, Item]]) -> None:
        from adapter.fhir import json

        try:
            resource = json.read(path.read_bytes())
        except AdapterError as error:
            self.issues.append(
                Issue(error.code, name, error.issue.params, line=error.issue.line, column=error.issue.column)
            )
            return
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if kind == "ConceptMap":
            table = from_fhir(resource, name)
            self.added(self.tables.add(table), table.url, name)
        elif kind == "StructureMap":
            tree, issues = from_structure_map(resource, name)
            self.read(tree and without_items(tree), issues, name)
        elif kind == "StructureDefinition":
            definitions.append(resource)

    def added(self, before: Item, url: str, name: str) -> None:
        if before is not None:
            self.overridden = True
            self.issues.append(Issue("MP230", name, {"url": url, "other": before.file}))

    def map(self, file: MapFile, library: Library, faults: Faults) -> Map:
        made = Map(file, library, self.models, layer=self.layers.get(file.url or file.text.file, 0))
        made.ignored = tuple(
            self.ignored(one, comment.text, comment.start, faults)
            for one in library.visible(file)
            for comment in one.comments
            if (word := pragma(comment.text)) and word[0] == "ignore"
        )
        made.accepts = tuple(self.accepted(file, faults))
        made.key = tuple(self.key(file))
        if not self.was_checked(file, library):
            self.issues += writers.faults(file, library)
            build(file, library, self.models, faults, traced=False, whole=True)
        return made

    def was_checked(self, file: MapFile, library: Library) -> bool:
        """Return True if the map and all it sees come from one trusted folder, with nothing put above it."""
        layers = {self.layers.get(one.url or one.text.file, 0) for one in library.visible(file)}
        return len(layers) == 1 and layers <= self.trusted_layers and not self.overridden

    def ignored(self, file: MapFile, text: str, start: int, faults: Faults) -> Ignored:
        path, condition, reason = ignored_path((pragma(text) or ("", ""))[1])
        line, column = file.text.place(start)
        if not reason or not path:
            self.issues.append(Issue("MP224", file.text.file, line=line, column=column))
        asked = self.expression(file, condition, start, faults) if condition else None
        return Ignored(path, reason, file.text.file, line, asked)

    def accepted(self, file: MapFile, faults: Faults) -> Iterator[Expression]:
        for comment in file.comments:
            word = pragma(comment.text)
            if word is not None and word[0] == "accepts":
                known = self.expression(file, word[1], comment.start, faults)
                if known is not None:
                    yield known

    def expression(self, file: MapFile, text: str, start: int, faults: Faults) -> Expression | None:
        from adapter.fhirpath import compile_expression

        try:
            return compile_expression(text)
        except AdapterError as error:
            line, column = file.text.place(start)
            faults.issues.append(
                Issue(error.code, file.text.file, error.issue.params, line=line, column=column)
            )
            return None

    def key(self, file: MapFile) -> Iterator[str]:
        """Yield the columns that `//! reads key=a,b` names; MP229 for whatever else it says."""
        for comment in file.comments:
            word = pragma(comment.text)
            if word is None or word[0] != "reads":
                continue
            for part in word[1].split():
                name, _, value = part.partition("=")
                if name == "key" and value:
                    yield from value.split(",")
                else:
                    line, column = file.text.place(comment.start)
                    params = {"option": name, "known": "key"}
                    self.issues.append(Issue("MP229", file.text.file, params, line=line, column=column))


def _is_table(text: str) -> bool:
    """Tell a code table from other CSV files beside it: its header knows one of the two required columns."""
    header = next(
        (line for line in text.removeprefix("\ufeff").splitlines() if line.strip() and line[0] != "#"), ""
    )
    names = {name.strip().lower() for name in header.replace(";", ",").split(",")}
    return bool(names & {"source-code", "target-code"}) or names <= set(COLUMNS)
