"""What is wrong with the maps of a set, gathered while they are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.outcome import Issue

if TYPE_CHECKING:
    from adapter.fhirpath.tree import Span
    from adapter.mapping.fml.tree import MapFile


class Faults:
    """Issues, each at its line and column, none of them twice."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self._known: set[tuple[str | int | None, ...]] = set()

    def add(self, code: str, file: MapFile, span: Span, **params: str | int | None) -> None:
        """Note a fault once, however often its group is compiled."""
        line, column = file.place(span)
        key = (code, file.text.file, line, column, *params.values())
        if key not in self._known:
            self._known.add(key)
            self.issues.append(Issue(code, file.text.file, params, line=line, column=column))
