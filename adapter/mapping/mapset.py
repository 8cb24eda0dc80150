"""Maps by name and canonical, and the one that a source asks for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError, Unsupported
from adapter.fhir.budget import DEFAULT
from adapter.mapping import readers
from adapter.mapping.collection import uncollected
from adapter.mapping.fml.compiler.expressions import is_true
from adapter.mapping.loading import MAP_SUFFIXES, Loaded, check, load
from adapter.mapping.map import Map
from adapter.mapping.models import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from adapter.mapping.nodes import Item, SourceTree
    from adapter.mapping.run import Outcome
    from adapter.outcome import Issue

__all__ = ["MAP_SUFFIXES", "Map", "MapSet", "check"]


class MapSet:
    """Maps by name and canonical."""

    def __init__(
        self, maps: Iterable[Map], issues: Sequence[Issue] = (), loaded: Loaded | None = None
    ) -> None:
        self._maps: dict[str, Map] = {}
        self.issues = tuple(issues)
        """Warnings from loading: what overrides what, sources without a model."""
        self._loaded = loaded
        for one in maps:
            self._maps[one.name] = one
            if one.url:
                self._maps[one.url] = one

    @classmethod
    def load(
        cls,
        folders: Path | str | Iterable[Path | str],
        packages: Iterable[Item] = (),
        *,
        trusted: Iterable[Path] = (),
    ) -> MapSet:
        """Read and check every map and code table below `folders`; later ones override earlier ones by url.

        `packages` (adapter.fhir.packages, or anything with `resources(type)`) give logical models and
        ConceptMaps. `trusted`: those of the folders whose maps were checked when they were made; they are
        checked again only where another folder changes what they see, so that a program starts at once.

        Raises ConfigurationError MP400 with all faults of all files, each with file, line and column.
        """
        return cls._of(load(folders, packages, trusted=trusted))

    def again(self, folders: Path | str | Iterable[Path | str]) -> MapSet:
        """Read the folders again, with the same packages; what has not changed stays. Raises as `load`."""
        before = self._loaded
        if before is None:
            return self._of(load(folders))
        return self._of(load(folders, before.packages, before, before.trusted))

    @classmethod
    def _of(cls, loaded: Loaded) -> MapSet:
        faults = [issue for issue in loaded.issues if issue.is_error]
        if faults:
            raise ConfigurationError("MP400", params={"count": len(faults)}, issues=faults)
        return cls(loaded.maps, loaded.issues, loaded)

    def become(self, other: MapSet) -> None:
        """Hold from now on what another set holds; a run that has begun goes on with the map it has."""
        self._maps, self.issues, self._loaded = other._maps, other.issues, other._loaded

    def __getitem__(self, name: str) -> Map:
        """Return a map by name or canonical. Raises ConfigurationError MP401 if there is none."""
        known = self._maps.get(name) or self._maps.get(name.partition("|")[0])
        if known is None:
            near = nearest(name, self._maps)
            raise ConfigurationError("MP401", params={"map": name, "near": near or "-"})
        return known

    def __contains__(self, name: object) -> bool:
        return name in self._maps

    def __iter__(self) -> Iterator[Map]:
        return iter({id(one): one for one in self._maps.values()}.values())

    def __len__(self) -> int:
        return len({id(one) for one in self._maps.values()})

    def choose(self, tree: SourceTree) -> Map:
        """Return the one map that accepts what the source says it is; of a later folder before an earlier.

        Raises Unsupported SR002 if none accepts it, ConfigurationError MP404 if several do.
        """
        accepting = [one for one in self if _accepts(one, tree)]
        latest = max((one.layer for one in accepting), default=0)
        accepting = [one for one in accepting if one.layer == latest]
        if not accepting:
            raise Unsupported("SR002", params={"format": tree.format})
        if len(accepting) > 1:
            names = ", ".join(sorted(one.name for one in accepting))
            raise ConfigurationError("MP404", params={"maps": names})
        return accepting[0]

    def choose_for(self, source: bytes, *, media_type: str, **options: Item) -> Map:
        """Read `source` and return the map that `run` takes for it; options as for `Map.run`."""
        return self.choose(readers.read(source, media_type, charset=options.get("charset")))

    @uncollected
    def run(self, source: bytes, *, media_type: str, **options: Item) -> Outcome:
        """Read `source`, choose its map and run it; options as for `Map.run`."""
        budget = options.pop("budget", DEFAULT)
        reading = options.pop("reader", None) or {}
        tree = readers.read(
            source, media_type, budget=budget, charset=options.pop("charset", None), **reading
        )
        identity = options.pop("source_id", None) or hashlib.sha256(source).hexdigest()
        return self.choose(tree).run_tree(tree, source_id=identity, **options)


def _accepts(one: Map, tree: SourceTree) -> bool:
    if not one.accepts or one.source_format not in (None, tree.format):
        return False
    return all(is_true(accept(tree.root)) for accept in one.accepts)
