"""What a rule notes of where its values come from, and what it does when it fails."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.mapping.fml.compiler.expressions import as_now
from adapter.mapping.notes import FAILED, Noted
from adapter.mapping.run import RunFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping.fml.compiler.scope import Scope, Value
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.notes import Note
    from adapter.mapping.run import RuleMark, Run


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """What a target notes of where its value comes from."""

    noted: Noted
    focus: int | None
    """Slot of what the rule reads."""
    written: frozenset[int] = frozenset()
    """Slots of variables that rules write to."""

    @classmethod
    def of(cls, scope: Scope, mark: RuleMark, value: Value | None) -> Trail:
        """Return what is noted of a value, or with None of one that the map itself writes."""
        reading = None if value is None else value.reading
        return cls(Noted(mark, reading), None if scope.focus is None else scope.focus.slot, scope.written)

    @property
    def mark(self) -> RuleMark:
        """The rule."""
        return self.noted.mark

    def context(self, script: Script) -> str:
        """Return the text of what the rule reads, and of its origin."""
        return "None, None" if self.focus is None else f"v{self.focus}, {script.origin(self.focus)}"

    def note(self, script: Script, what: str, row: str = "None") -> str:
        """Return the text of a note; `what` is node, key, index, value found and value made."""
        reading = self.noted.reading
        seen: list[str] = []
        for slot in () if reading is None else reading.captured:
            is_changing = reading is not None and reading.again is not None and slot in self.written
            now = f"{script.name(as_now)}(v{slot})" if is_changing else f"v{slot}"
            seen += (now, script.origin(slot))
        parts = [script.name(self.noted), what, row, self.context(script), *seen]
        return f"({', '.join(parts)})"

    def failure(self, script: Script) -> str:
        """Return the text of the note of a value that could not be made."""
        return self.note(script, f"None, None, {script.name(FAILED)}, None, None")

    def add(self, script: Script, what: str, row: str = "None") -> None:
        """Write that a note is made, in a traced script."""
        script.line(f"{script.adding('notes')}({self.note(script, what, row)})")


@contextmanager
def guarded(script: Script, trail: Trail, *, is_risky: bool = True) -> Iterator[None]:
    """Write what is in the block so that a transform which fails there gives an issue at its place."""
    if not is_risky:
        yield
        return
    with script.block("try:"):
        yield
    with script.block(f"except {script.name(RunFault)} as fault:"):
        script.line(f"{script.name(failed)}(run, fault, {trail.failure(script)})")


def begins(script: Script, value: Value) -> str:
    """Write what has to be before a value is read; return the text of the table's row that it then is of."""
    if not script.is_traced or value.is_constant or value.slot is not None:
        return "None"
    script.line("run.row = None")
    return "run.row"


def failed(run: Run, fault: RunFault, note: Note) -> None:
    """Note that a transform could not do what it was told."""
    run.fault(fault.code, note[0].mark, note, **fault.params)
    run.notes.append(note)
