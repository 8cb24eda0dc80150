"""What all parts of one build share: the maps it can name, the types it knows, the faults it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.mapping.models import nearest
from adapter.mapping.run import RuleMark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.fhirpath.tree import Span
    from adapter.mapping.fml.compiler.scope import Scope
    from adapter.mapping.fml.compiler.stepping import Stepping
    from adapter.mapping.fml.faults import Faults
    from adapter.mapping.fml.resolver import Library
    from adapter.mapping.fml.tree import Input, MapFile, Rule
    from adapter.mapping.models import Models, Shape


@dataclass(slots=True)
class Compilation:
    """One build of a map with everything it calls, while it is made."""

    library: Library
    models: Models
    faults: Faults
    is_traced: bool
    """True for the build that notes where everything comes from; in a plain one it costs nothing."""
    is_lenient: bool = False
    """True while groups are compiled that may be called with types not known here."""
    stepping: Stepping | None = None
    """In a build for debugging, which is traced, too: what notes every step."""
    marks: dict[RuleMark, None] = field(default_factory=dict)
    """The rules met so far, in their order."""

    def input_shape(self, file: MapFile, declared: Input) -> Shape | None:
        """Return the shape an input declares; None without one, or where its structure has no model."""
        if declared.type is None or self._is_of_unknown_structure(file, declared):
            return None
        return self.type_named(file, declared.type, declared.span)

    def _is_of_unknown_structure(self, file: MapFile, declared: Input) -> bool:
        """True for a type that may well be of a source structure which has no model here."""
        return (
            declared.mode == "source"
            and all(use.name != declared.type for use in file.uses)
            and self._named(declared.type or "") is None
            and any(
                not self.models.is_known(use.url, is_source=True) for use in file.uses if use.mode == "source"
            )
        )

    def _named(self, name: str) -> Shape | None:
        """Return a type of R4, or of a logical model that stands beside those the file uses."""
        return self.models.named(name.removeprefix("FHIR.")) or self.models.logical(name)

    def type_named(self, file: MapFile, name: str, span: Span) -> Shape | None:
        """Return what `name` means in this file: an alias of `uses`, else a type of R4."""
        for use in file.uses:
            if use.name == name:
                if not self.models.is_known(use.url, is_source=use.mode in ("source", "queried")):
                    self.library.unknown_model(self.faults, file, use)
                return self.models.by_url(use.url)
        shape = self._named(name)
        if shape is None:
            near = nearest(name, [*(use.name for use in file.uses), *self.models.names()])
            self.faults.add("MP201", file, span, type=name, near=near or "-")
        return shape

    def no_variable(self, scope: Scope, span: Span, name: str, known: Iterable[str]) -> None:
        """Note a name that means no variable here."""
        near = nearest(name, known)
        self.faults.add("MP206", scope.file, span, variable=name, near=near or "-")

    def mark(self, scope: Scope, rule: Rule) -> RuleMark:
        """Say where a rule stands."""
        line, column = scope.file.place(rule.span)
        mark = RuleMark(
            scope.file.text.file,
            line,
            column,
            scope.group.name,
            scope.trail,
            scope.file.name or scope.file.url,
        )
        self.marks[mark] = None
        return mark
