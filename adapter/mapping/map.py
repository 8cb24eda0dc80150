"""One map of a set, and its run over one source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.fhir.budget import DEFAULT
from adapter.mapping import readers, trace, writers
from adapter.mapping.build import build, target_shapes
from adapter.mapping.collection import uncollected
from adapter.mapping.constants import named, values
from adapter.mapping.finish import finished
from adapter.mapping.fml.faults import Faults
from adapter.mapping.modelled import Modelled
from adapter.mapping.models import FHIR
from adapter.mapping.moments import zone_of
from adapter.mapping.notes import Notes
from adapter.mapping.primitives import with_values
from adapter.mapping.run import Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.fhir.budget import Budget
    from adapter.fhirpath.expression import Expression
    from adapter.mapping.accounting import Ignored
    from adapter.mapping.build import Build
    from adapter.mapping.debug import DebugTrace
    from adapter.mapping.fml.resolver import Library
    from adapter.mapping.fml.tree import MapFile
    from adapter.mapping.models import Models
    from adapter.mapping.nodes import Item, SourceTree
    from adapter.mapping.run import Made, RuleMark
    from adapter.mapping.writers import Form

_FORMAT_OF_MODEL = {"v2-message": "hl7v2", "xml-document": "xml", "json-document": "json", "csv-table": "csv"}


@dataclass(slots=True)
class Map:
    """One map of a set. Get it by `maps[name]`."""

    file: MapFile
    library: Library
    models: Models
    ignored: tuple[Ignored, ...] = ()
    accepts: tuple[Expression, ...] = ()
    key: tuple[str, ...] = ()
    """Columns of a table that lines of one row agree in: `//! reads key=a,b`."""
    layer: int = 0
    """Which of the folders it comes from; those of a later one go first when a map is chosen."""
    _builds: dict[bool, Build] = field(default_factory=dict)
    _stepping: Build | None = None
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
        return any(self.forms) or any(
            shape is not None and shape.kind in ("resource", "logical")
            for shape in target_shapes(self.file, self.library, self.models)
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
            self._forms = writers.forms(self.file, self.library)
        return self._forms

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the constants that a run may give."""
        return tuple(dict.fromkeys(c.name for one in self.library.visible(self.file) for c in one.constants))

    @property
    def marks(self) -> tuple[RuleMark, ...]:
        """Every rule that the map can reach, in the order of compilation."""
        return self._build(traced=False).marks

    def prepare(self) -> None:
        """Compile it now, not at its first run."""
        self._build(traced=False)

    @uncollected
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
        debug: DebugTrace | None = None,
    ) -> Outcome:
        """Read `source` and map it.

        `constants`: values for the map's `let`s, a str, number, boolean or FHIR JSON; names the map does not
        declare are passed over. `zone`: name of the zone that local times are in, UTC if None. `charset`:
        what the source uses where it does not say. `source_id`: names the source for deterministic ids, the
        digest of its bytes if None. `lineage`: also give lineage and accounting. `reader`: options of the
        format's reader. `debug`: a fresh DebugTrace, which takes every step.

        Content that cannot be read raises ContentError (Malformed, Unsupported, TooCostly); content that can
        be read but not mapped gives issues, all of them, each with the sender's own field.
        """
        tree = readers.read(source, media_type, budget=budget, charset=charset, **(reader or {}))
        identity = source_id if source_id is not None else hashlib.sha256(source).hexdigest()
        return self.run_tree(
            tree, constants=constants, zone=zone, source_id=identity, lineage=lineage, debug=debug
        )

    def run_tree(
        self,
        tree: SourceTree,
        *,
        source_id: str,
        constants: Mapping[str, Item] | None = None,
        zone: str | None = None,
        lineage: bool = False,
        debug: DebugTrace | None = None,
    ) -> Outcome:
        """Map a source that is read already; see `run`."""
        if self.key and tree.format == "csv":
            from adapter.mapping.readers.csv import grouped

            tree = grouped(tree, self.key)
        if tree.format == "xml":
            tree = with_values(tree, self._build(traced=False).source, self.models)
        given, home = self._given(constants), zone_of(zone)
        if not lineage and debug is None:
            run = Run(self.library.concept_maps, given, home, source_id)
            made = self._build(traced=False)(run, tree.root)
            # Where a plain build does not know of an issue where in the source it is, a traced one does.
            if not run.issues or Notes(run, tree, is_in_part=True).place(is_traced=False):
                return self._outcome(tree, run, made)
        run = Run(self.library.concept_maps, given, home, source_id)
        notes = Notes(run, tree)
        made = self._build(traced=True)(run, tree.root) if debug is None else self._debug(notes, debug)
        Notes(run, tree, is_in_part=True).place(is_traced=True)
        outcome = self._outcome(tree, run, made)
        if lineage:
            outcome.lineage = trace.lineage(notes, made)
            outcome.accounting = trace.accounting(notes, self.ignored, self._modelled)
            outcome.ran = run.marks.values()
        return outcome

    def _modelled(self, root: Item) -> Modelled:
        return Modelled(self.models, self._build(traced=True).source, root)

    def _outcome(self, tree: SourceTree, run: Run, made: list[Made]) -> Outcome:
        return Outcome(
            resources=[_whole(one) for one in made], issues=[*tree.issues, *run.issues],
            documents=[writers.document(one, form) for one, form in zip(made, self.forms, strict=True)],
            said=run.said,
        )  # fmt: skip

    def compile(self, faults: Faults) -> None:
        """Compile the map now and note in `faults` what is wrong with it; a run compiles when it must."""
        self._builds[False] = build(self.file, self.library, self.models, faults, traced=False)

    def _build(self, *, traced: bool) -> Build:
        known = self._builds.get(traced)
        if known is None:
            faults = Faults()
            known = self._builds[traced] = build(self.file, self.library, self.models, faults, traced=traced)
        return known

    def _debug(self, notes: Notes, debug: DebugTrace) -> list[Made]:
        """Run the build that notes its steps."""
        run, root = notes.run, notes.tree.root
        if self._stepping is None:
            from adapter.mapping.fml.compiler.stepping import Stepping

            self._stepping = build(
                self.file, self.library, self.models, Faults(), traced=True, stepping=Stepping()
            )
        first = next((one for one in self.file.groups[0].inputs if one.mode == "source"), None)
        declared = "" if first is None else first.type or first.name
        name = root.get("resourceType") if isinstance(root, dict) else None
        run.steps = debug
        debug.begin(str(name or declared), notes)
        made = self._stepping(run, root)
        debug.end(made)
        return made

    def _given(self, given: Mapping[str, Item] | None) -> dict[str, Item]:
        if given:
            return values(named(self.library.visible(self.file)), given)
        if self._constants is None:
            self._constants = values(named(self.library.visible(self.file)), {})
        return self._constants


def _whole(made: Made) -> dict[str, Item]:
    """Return a target as FHIR's JSON, which says of a logical model what it is, too."""
    result = finished(made)
    if made.shape is not None and made.shape.is_named:
        return {"resourceType": made.shape.name, **result}
    return result
