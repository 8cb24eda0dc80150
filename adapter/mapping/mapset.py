"""All maps and code tables of some folders, checked together, ready to run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adapter.errors import AdapterError, ConfigurationError, TooCostly, Unsupported
from adapter.fhir.budget import DEFAULT
from adapter.mapping import readers, writers
from adapter.mapping.accounting import Ignored, ignored_path, pragma
from adapter.mapping.conceptmap import COLUMNS, ConceptMaps, from_csv, from_fhir
from adapter.mapping.finish import finished
from adapter.mapping.fml.compiler.compilation import Compilation
from adapter.mapping.fml.compiler.groups import Compiler, GroupCode
from adapter.mapping.fml.faults import Faults
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.resolver import Library
from adapter.mapping.fml.structuremap import from_structure_map
from adapter.mapping.models import FHIR, Models
from adapter.mapping.moments import zone_of
from adapter.mapping.nodes import Item, SourceTree, watch
from adapter.mapping.run import Made, Outcome, RuleMark, Run
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapter.fhir.budget import Budget
    from adapter.fhirpath.expression import Expression
    from adapter.mapping.fml.tree import MapFile
    from adapter.mapping.models import Shape
    from adapter.mapping.writers import Form

MAP_SUFFIXES = (".map", ".fml")


@dataclass(slots=True)
class _Build:
    """One compiled form of a map."""

    entry: GroupCode
    shapes: list[Shape | None]
    """Of the targets."""
    inputs: tuple[Literal["source", "target"], ...]
    marks: tuple[RuleMark, ...]


@dataclass(slots=True)
class Map:
    """One map of a set. Get it by `maps[name]`."""

    file: MapFile
    library: Library
    models: Models
    ignored: tuple[Ignored, ...] = ()
    accepts: tuple[Expression, ...] = ()
    layer: int = 0
    """Which of the folders it comes from; those of a later one go first when a map is chosen."""
    _builds: dict[bool, _Build] = field(default_factory=dict)
    _constants: dict[str, Item] | None = None
    _forms: list[Form | None] | None = None

    @property
    def name(self) -> str:
        """What a command line calls it."""
        return self.file.name

    @property
    def url(self) -> str:
        """Its canonical."""
        return self.file.url

    @property
    def is_runnable(self) -> bool:
        """False for a library of groups: its first group makes no resource and no document."""
        shapes = self._build(traced=False).shapes
        return any(self.forms) or any(
            shape is not None and shape.kind in ("resource", "logical") for shape in shapes
        )

    @property
    def source_format(self) -> str | None:
        """The format its source structure belongs to, `fhir` for a resource; None if any will do."""
        for use in self.file.uses:
            if use.mode in ("source", "queried"):
                last = use.url.rpartition("/")[2]
                if last in writers.FORMATS:
                    return writers.FORMATS[last]
                if use.url.startswith(FHIR):
                    return "fhir"
                return "xml" if "/cda/" in use.url or last == "ClinicalDocument" else None
        return None

    @property
    def forms(self) -> list[Form | None]:
        """The receiver's form of each target, None where the target's own shape tells."""
        if self._forms is None:
            from adapter.mapping.explain import columns

            self._forms = [
                replace(form, columns=columns(self)) if form and form.needs_columns else form
                for form in writers.forms(self.file)
            ]
        return self._forms

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the constants that a run may give."""
        return tuple(dict.fromkeys(c.name for one in self.library.visible(self.file) for c in one.constants))

    @property
    def marks(self) -> tuple[RuleMark, ...]:
        """Every rule that the map can reach, in the order of compilation."""
        return self._build(traced=False).marks

    def run(
        self,
        source: bytes,
        *,
        media_type: str,
        constants: Mapping[str, Item] | None = None,
        zone: str | None = None,
        charset: str | None = None,
        source_id: str | None = None,
        lineage: bool = False,
        budget: Budget = DEFAULT,
        reader: Mapping[str, Item] | None = None,
    ) -> Outcome:
        """Read `source` and map it.

        `constants`: values for the map's `let`s, a str, number, boolean or FHIR JSON; names the map does not
        declare are passed over. `zone`: name of the zone that local times are in, UTC if None. `charset`:
        what the source uses where it does not say. `source_id`: names the source for deterministic ids, the
        digest of its bytes if None. `lineage`: also give lineage and accounting. `reader`: options of the
        format's reader.

        Content that cannot be read raises ContentError (Malformed, Unsupported, TooCostly); content that can
        be read but not mapped gives issues, all of them, each with the sender's own field.
        """
        tree = readers.read(source, media_type, budget=budget, charset=charset, **(reader or {}))
        identity = source_id if source_id is not None else hashlib.sha256(source).hexdigest()
        return self.run_tree(tree, constants=constants, zone=zone, source_id=identity, lineage=lineage)

    def run_tree(
        self,
        tree: SourceTree,
        *,
        source_id: str,
        constants: Mapping[str, Item] | None = None,
        zone: str | None = None,
        lineage: bool = False,
    ) -> Outcome:
        """Map a source that is read already; see `run`."""
        given = self._given(constants)
        options: dict[str, Item] = {"constants": given, "zone": zone_of(zone), "source_id": source_id}
        if not lineage:
            run, made = self._once(tree, tree.root, traced=False, **options)
            if not run.issues:
                return Outcome(
                    resources=[finished(one) for one in made], issues=list(tree.issues),
                    documents=self._documents(made), said=run.said,
                )  # fmt: skip
        # Issues are rare, and worth a second run that knows where everything stands.
        log: list[Item] = []
        root = watch(tree.root, log)
        run, made = self._once(tree, root, traced=True, log=log, **options)
        outcome = Outcome(
            resources=[finished(one) for one in made],
            issues=[*tree.issues, *run.issues],
            documents=self._documents(made),
            said=run.said,
        )
        if not lineage:
            return outcome
        from adapter.mapping import trace

        return replace(
            outcome, lineage=trace.lineage(run, made), accounting=trace.accounting(run, root, self.ignored),
            rules=frozenset(run.marks),
        )  # fmt: skip

    def _once(
        self, tree: SourceTree, root: Item, *, traced: bool, log: list[Item] | None = None, **options: Item
    ) -> tuple[Run, list[Made]]:
        build = self._build(traced=traced)
        run = Run(concept_maps=self.library.concept_maps, traced=traced, **options)
        if log is not None:
            run.log = log
            run.source = tree
        made: list[Made] = []
        arguments: list[Item] = []
        shapes = iter(build.shapes)
        for mode in build.inputs:
            value: Item = root
            if mode == "target":
                value = Made.of(next(shapes))
                made.append(value)
            arguments.append(value)
            if traced:
                arguments.append(None)
        try:
            build.entry(run, arguments)
        except RecursionError:
            raise TooCostly("MP403") from None
        return run, made

    def build(self, faults: Faults) -> None:
        """Compile the map now and note in `faults` what is wrong with it; a run compiles when it must."""
        self._builds[False] = compile_map(self.file, self.library, self.models, faults, traced=False)

    def _build(self, *, traced: bool) -> _Build:
        known = self._builds.get(traced)
        if known is None:
            faults = Faults()
            known = self._builds[traced] = compile_map(
                self.file, self.library, self.models, faults, traced=traced
            )
        return known

    def _documents(self, made: list[Made]) -> list[bytes | None]:
        return [writers.document(one, form) for one, form in zip(made, self.forms, strict=True)]

    def _given(self, constants: Mapping[str, Item] | None) -> dict[str, Item]:
        declared = self._declared()
        if not constants:
            return declared
        return {**declared, **{name: value for name, value in constants.items() if name in declared}}

    def _declared(self) -> dict[str, Item]:
        if self._constants is None:
            from adapter.fhirpath import compile_tree

            self._constants = {}
            for one in reversed(self.library.visible(self.file)):
                for constant in one.constants:
                    found = compile_tree(constant.value)({})
                    self._constants[constant.name] = found[0] if len(found) == 1 else found or None
        return self._constants


def compile_map(
    file: MapFile, library: Library, models: Models, faults: Faults, *, traced: bool, whole: bool = False
) -> _Build:
    """Compile one map with all it calls, noting what is wrong with it; with `whole` its other groups, too."""
    compilation = Compilation(library, models, faults, is_traced=traced)
    compiler = Compiler(compilation)
    entry, shapes = compiler.entry(file)
    marks = tuple(compilation.marks)
    if whole:
        compiler.rest(file)
    return _Build(entry, shapes, tuple(one.mode for one in file.groups[0].inputs), marks)


class MapSet:
    """Maps by name and canonical."""

    def __init__(self, maps: Iterable[Map], issues: Sequence[Issue] = ()) -> None:
        self._maps: dict[str, Map] = {}
        self.issues = tuple(issues)
        """Warnings from loading: what overrides what, sources without a model."""
        for one in maps:
            self._maps[one.name] = one
            if one.url:
                self._maps[one.url] = one

    @classmethod
    def load(cls, folders: Path | str | Iterable[Path | str], packages: Iterable[Item] = ()) -> MapSet:
        """Read and check every map and code table below `folders`; later ones override earlier ones by url.

        `packages` (adapter.fhir.packages, or anything with `resources(type)`) give logical models and
        ConceptMaps.

        Raises ConfigurationError MP400 with all faults of all files, each with file, line and column.
        """
        loaded, issues = check(folders, packages)
        faults = [issue for issue in issues if issue.is_error]
        if faults:
            raise ConfigurationError("MP400", params={"count": len(faults)}, issues=faults)
        return cls(loaded, issues)

    def __getitem__(self, name: str) -> Map:
        """Return a map by name or canonical. Raises ConfigurationError MP401 if there is none."""
        known = self._maps.get(name) or self._maps.get(name.partition("|")[0])
        if known is None:
            from adapter.mapping.models import nearest

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
    from adapter.mapping.fml.compiler.sources import is_true

    return all(is_true(accept(tree.root)) for accept in one.accepts)


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
        self.issues += writers.faults(file)
        compile_map(file, library, self.models, faults, traced=False, whole=True)
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
