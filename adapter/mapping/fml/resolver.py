"""What a name in one map means beside others: imports, groups, default groups, code tables."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.mapping import constants
from adapter.mapping.conceptmap import from_inline
from adapter.mapping.models import FHIR, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from adapter.mapping.conceptmap import ConceptMap, ConceptMaps
    from adapter.mapping.fml.faults import Faults
    from adapter.mapping.fml.tree import Group, Input, MapFile, Use
    from adapter.mapping.models import Models, Shape


class Library:
    """All maps of a set, and what each of them can see."""

    def __init__(self, files: Iterable[MapFile], concept_maps: ConceptMaps, models: Models) -> None:
        self.files = {file.url or file.text.file: file for file in files}
        self.concept_maps = concept_maps
        self.models = models
        self._seen: dict[int, list[MapFile]] = {}
        self._inline: dict[int, dict[str, ConceptMap]] = {}
        self._fhir: dict[int, bool] = {}
        self.versions: dict[int, str] = {}
        """Versions of the maps of files, by the identity of the file, once they were asked for."""

    def visible(self, file: MapFile) -> list[MapFile]:
        """Return the file and all it imports, directly or not, nearest first."""
        known = self._seen.get(id(file))
        if known is None:
            known, waiting = [], [file]
            while waiting:
                one = waiting.pop(0)
                if one not in known:
                    known.append(one)
                    waiting += [found for entry in one.imports for found in self.imported(entry.url)]
            self._seen[id(file)] = known
        return known

    def imported(self, url: str) -> list[MapFile]:
        """Return the maps that an import names; `*` stands for any characters."""
        url = url.partition("|")[0]
        if "*" not in url:
            found = self.files.get(url)
            return [found] if found else []
        pattern = re.compile(".*".join(re.escape(part) for part in url.split("*")))
        return [file for name, file in sorted(self.files.items()) if pattern.fullmatch(name)]

    def entry(self, file: MapFile) -> tuple[Input, ...]:
        """Return the inputs of the first group; one that names no type is of the only structure used so."""
        inputs = file.groups[0].inputs
        found: list[Input] = []
        for one in inputs:
            named = [use.name for use in file.uses if use.mode == one.mode]
            others = [other for other in inputs if other.mode == one.mode]
            is_told = one.type is None and len(named) == len(others) == 1
            found.append(replace(one, type=named[0]) if is_told else one)
        return tuple(found)

    def check_files(self, faults: Faults) -> None:
        """Note imports that find nothing, groups that a file has twice, constants of no value."""
        for file in self.files.values():
            constants.check(file, self.visible(file), faults)
            for entry in file.imports:
                if not self.imported(entry.url):
                    near = nearest(entry.url, self.files)
                    faults.add("MP220", file, entry.span, url=entry.url, near=near or "-")
            seen: dict[str, Group] = {}
            for group in file.groups:
                if group.name in seen:
                    faults.add(
                        "MP221", file, group.span, group=group.name, line=file.place(seen[group.name].span)[0]
                    )
                seen[group.name] = group

    def all_groups(self) -> Iterator[tuple[MapFile, Group]]:
        """Yield the groups of all maps."""
        for file in self.files.values():
            for group in file.groups:
                yield file, group

    def groups(self, file: MapFile) -> Iterator[tuple[MapFile, Group]]:
        """Yield the groups a file can call, its own first."""
        for one in self.visible(file):
            for group in one.groups:
                yield one, group

    def group(self, file: MapFile, name: str) -> tuple[MapFile, Group] | None:
        """Find a group by its name."""
        return next(((home, group) for home, group in self.groups(file) if group.name == name), None)

    def group_names(self, file: MapFile) -> list[str]:
        """Return the names of the groups a file can call."""
        return [group.name for _, group in self.groups(file)]

    def default_group(
        self,
        file: MapFile,
        source: Shape | None,
        source_kind: str | None,
        target: Shape | None,
    ) -> tuple[MapFile, Group] | None:
        """Find the group that is marked `<<types>>` or `<<type+>>` for the two types."""
        wanted_source = source.name if source is not None else source_kind
        if target is None:
            return None
        for home, group in self.groups(file):
            if group.default is None or len(group.inputs) != 2:
                continue
            first, second = (self._type_key(home, one.type) for one in group.inputs)
            if second not in (target.name, target.url):
                continue
            if first == wanted_source or (source is not None and first == source.url):
                return home, group
        return None

    def default_group_of(
        self, file: MapFile, source: Shape | None, source_kind: str | None, targets: Collection[str]
    ) -> tuple[MapFile, Group, Shape] | None:
        """Find the group that is marked `<<type+>>` for a type, and makes one of the R4 types `targets`.

        It is the default wherever the target's type is not known, as that of a choice element.
        """
        wanted = source.name if source is not None else source_kind
        for home, group in self.groups(file):
            if group.default != "type+" or len(group.inputs) != 2:
                continue
            first, second = (self._type_key(home, one.type) for one in group.inputs)
            made = self.models.named(second) if second is not None and second in targets else None
            if made is not None and first == wanted:
                return home, group, made
        return None

    def _type_key(self, file: MapFile, name: str | None) -> str | None:
        if name is None:
            return None
        for use in file.uses:
            if use.name == name:
                shape = self.models.by_url(use.url)
                return shape.name if shape is not None else use.url
        return name

    def is_fhir_source(self, file: MapFile) -> bool:
        """True if every source structure the file uses is FHIR's own, so that elements may be choices."""
        known = self._fhir.get(id(file))
        if known is None:
            urls = [use.url for use in file.uses if use.mode in ("source", "queried")]
            known = self._fhir[id(file)] = bool(urls) and all(url.startswith(FHIR) for url in urls)
        return known

    def concept_map(self, file: MapFile, url: str) -> ConceptMap | None:
        """Find a code table: `#name`, with its sign or without, in the map itself, else by its canonical."""
        found = self._inline_of(file).get(url.rpartition("#")[2])
        return found or self.concept_maps.find(url)

    def _inline_of(self, file: MapFile) -> dict[str, ConceptMap]:
        known = self._inline.get(id(file))
        if known is None:
            known = self._inline[id(file)] = {
                table.url.removeprefix("#"): from_inline(table, one.text.file, one.place)
                for one in reversed(self.visible(file))
                for table in one.tables
            }
        return known

    def concept_map_urls(self, file: MapFile) -> list[str]:
        """Return the names of all code tables a file can use."""
        return [*(f"#{name}" for name in self._inline_of(file)), *self.concept_maps.urls()]

    def unknown_model(self, faults: Faults, file: MapFile, use: Use) -> None:
        """Note a structure nobody knows: of a target that is a fault, of a source nothing can be checked."""
        code = "MP222" if use.mode in ("target", "produced") else "MP223"
        faults.add(code, file, use.span, url=use.url)
