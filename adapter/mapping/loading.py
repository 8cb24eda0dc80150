"""Folders of maps, code tables and models read and checked together, all faults at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adapter.errors import AdapterError
from adapter.mapping import writers
from adapter.mapping.accounting import Ignored, ignored_path, pragma
from adapter.mapping.build import build
from adapter.mapping.conceptmap import COLUMNS, ConceptMaps, from_csv, from_fhir
from adapter.mapping.fml.faults import Faults
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.resolver import Library
from adapter.mapping.fml.structuremap import from_structure_map
from adapter.mapping.map import Map
from adapter.mapping.models import Models
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.fhirpath.expression import Expression
    from adapter.mapping.fml.tree import MapFile
    from adapter.mapping.nodes import Item

MAP_SUFFIXES = (".map", ".fml")


def check(
    folders: Path | str | Iterable[Path | str], packages: Iterable[Item] = ()
) -> tuple[list[Map], list[Issue]]:
    """Read and check everything; give the maps that can be read and all issues, warnings included."""
    places = [Path(folders)] if isinstance(folders, (str, Path)) else [Path(one) for one in folders]
    return _Loading(packages).load(places)


class _Loading:
    """Gathers files of all folders, then resolves and checks them together."""

    def __init__(self, packages: Iterable[Item]) -> None:
        self.issues: list[Issue] = []
        self.files: dict[str, MapFile] = {}
        self.layers: dict[str, int] = {}
        self.layer = 0
        self.tables = ConceptMaps()
        self.models = Models()
        self.packages = list(packages)

    def load(self, folders: list[Path]) -> tuple[list[Map], list[Issue]]:
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
            for path in sorted(folder.rglob("*")):
                self.file(path, folder, definitions)
        self.models = Models(definitions)
        library = Library(self.files.values(), self.tables, self.models)
        faults = Faults()
        library.check_imports(faults)
        maps = [self.map(file, library, faults) for file in library.files.values() if file.groups]
        self.issues += faults.issues
        self.issues.sort(key=lambda issue: (issue.at or "", issue.line or 0, issue.column or 0))
        return maps, self.issues

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
            content = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            self.issues.append(Issue("MP110", name))
            return
        self.read(*parse(content, name), name)

    def read(self, tree: MapFile | None, issues: list[Issue], name: str) -> None:
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
            self.read(*from_structure_map(resource, name), name)
        elif kind == "StructureDefinition":
            definitions.append(resource)

    def added(self, before: Item, url: str, name: str) -> None:
        if before is not None:
            self.issues.append(Issue("MP230", name, {"url": url, "other": before.file}))

    def map(self, file: MapFile, library: Library, faults: Faults) -> Map:
        made = Map(file, library, self.models, layer=self.layers.get(file.url or file.text.file, 0))
        made.ignored = tuple(
            self.ignored(one, comment.text, comment.start)
            for one in library.visible(file)
            for comment in one.comments
            if (word := pragma(comment.text)) and word[0] == "ignore"
        )
        made.accepts = tuple(self.accepted(file, faults))
        self.issues += writers.faults(file, library)
        build(file, library, self.models, faults, traced=False, whole=True)
        return made

    def ignored(self, file: MapFile, text: str, start: int) -> Ignored:
        path, reason = ignored_path((pragma(text) or ("", ""))[1])
        line, column = file.text.place(start)
        if not reason or not path:
            self.issues.append(Issue("MP224", file.text.file, line=line, column=column))
        return Ignored(path, reason, file.text.file, line)

    def accepted(self, file: MapFile, faults: Faults) -> Iterator[Expression]:
        from adapter.fhirpath import compile_expression

        for comment in file.comments:
            word = pragma(comment.text)
            if word is None or word[0] != "accepts":
                continue
            try:
                yield compile_expression(word[1])
            except AdapterError as error:
                line, column = file.text.place(comment.start)
                faults.issues.append(
                    Issue(error.code, file.text.file, error.issue.params, line=line, column=column)
                )


def _is_table(text: str) -> bool:
    """Tell a code table from other CSV files beside it: its header knows one of the two required columns."""
    header = next(
        (line for line in text.removeprefix("\ufeff").splitlines() if line.strip() and line[0] != "#"), ""
    )
    names = {name.strip().lower() for name in header.replace(";", ",").split(",")}
    return bool(names & {"source-code", "target-code"}) or names <= set(COLUMNS)
