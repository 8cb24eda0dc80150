"""What a build for debugging writes beside the parts of a traced one: a note of every step that is taken.

A group and a rule are entered and left; within a rule each value of a source and each target is a step. A
note holds what the variables are at that moment, so that the run can be stepped through afterwards, in both
directions. No other build knows of this file's work.
HL7 FHIR Mapping Language guide, Debug Trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from adapter.mapping.fml.compiler.part import write_all
from adapter.mapping.fml.tree import Invocation, Name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.fhirpath.tree import Span
    from adapter.mapping.fml.compiler.loops import Loop
    from adapter.mapping.fml.compiler.part import Part
    from adapter.mapping.fml.compiler.scope import Scope, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Group, MapFile, Rule, Target

Phase = Literal["enter", "step", "exit"]


class Variable(NamedTuple):
    """A variable that a step can see."""

    name: str
    is_input: bool
    slot: int
    type: str | None
    """Where it is known before anything runs."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What a step is a step of."""

    file: MapFile
    path: str
    """Of the same part in the StructureMap: `StructureMap.group[0].rule[1].target[0]`."""
    span: Span
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class _Note:
    """A note of one event, with the value of each variable and behind these the origin of each."""

    phase: Phase
    place: Place

    def write(self, script: Script) -> None:
        slots = [variable.slot for variable in self.place.variables]
        seen = "".join([*(f"v{slot}, " for slot in slots), *(f"{script.origin(slot)}, " for slot in slots)])
        phase, place = script.name(self.phase), script.name(self.place)
        script.line(f"run.steps.note({phase}, {place}, ({seen}))")


@dataclass(frozen=True, slots=True)
class _Whole:
    """A rule between the notes that it is entered and left."""

    parts: tuple[Part, ...]

    def write(self, script: Script) -> None:
        write_all(script, self.parts)


@dataclass(frozen=True, slots=True)
class _Target:
    """A target, and the note of what it has made or filled."""

    part: Part
    touched: tuple[int, ...]
    way: tuple[str, ...]
    note: _Note

    def write(self, script: Script) -> None:
        self.part.write(script)
        for slot in self.touched:
            script.line(f"run.steps.changed(v{slot}, {script.name(self.way)})")
        self.note.write(script)


@dataclass(frozen=True, slots=True)
class _Source:
    """A source each value of which is a step."""

    loop: Loop
    found: _Note
    nothing: _Note
    step: None = None

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        def each() -> None:
            self.found.write(script)
            inside()

        before = script.fresh()
        script.line(f"{before} = run.steps.count")
        self.loop.write(script, each)
        with script.block(f"if run.steps.count == {before}:"):
            self.nothing.write(script)


class Stepping:
    """Makes the notes of one build."""

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}

    def group(self, scope: Scope, group: Group, parts: Sequence[Part]) -> list[Part]:
        """Note that a group is entered and left."""
        at = _place(scope, self._path(scope.file, group), group.span)
        return [_Note("enter", at), *parts, _Note("exit", at)]

    def rule(self, outer: Scope, rule: Rule, part: Part) -> Part:
        """Note that a rule is entered and left."""
        at = _place(outer, self._path(outer.file, rule), rule.span)
        return _Whole((_Note("enter", at), part, _Note("exit", at)))

    def source(self, outer: Scope, inner: Scope, rule: Rule, at: int, loop: Loop) -> Loop:
        """Note each value of a source; also that there is none."""
        source = rule.sources[at]
        path = f"{self._path(inner.file, rule)}.source[{at}]"
        found = _Note("step", _place(inner, path, source.span))
        return _Source(loop, found, _Note("step", _place(outer, path, source.span)))

    def target(self, scope: Scope, rule: Rule, at: int, part: Part) -> Part:
        """Note what a target has made or filled."""
        target = rule.targets[at]
        path = f"{self._path(scope.file, rule)}.target[{at}]"
        touched = tuple({var.slot for var in _touched(scope, target)})
        note = _Note("step", _place(scope, path, target.span))
        return _Target(part, touched, tuple(target.path[:-1]), note)

    def _path(self, file: MapFile, part: Group | Rule) -> str:
        if id(part) not in self._paths:
            for at, group in enumerate(file.groups):
                self._name(group, f"StructureMap.group[{at}]")
        # A group that lent its rules to one that extends it stands in no file as such.
        return self._paths.get(id(part), "StructureMap.group")

    def _name(self, part: Group | Rule, path: str) -> None:
        self._paths[id(part)] = path
        for at, rule in enumerate(part.rules or ()):
            self._name(rule, f"{path}.rule[{at}]")


def _seen(scope: Scope) -> tuple[Variable, ...]:
    """Return the variables in their order; a target hidden by a source of its name is one, too."""
    known: dict[int, Var] = {}
    for var in (*scope.vars.values(), *scope.targets.values()):
        if var.name and not var.name.startswith("\x00"):
            known.setdefault(var.slot, var)
    return tuple(
        Variable(
            var.name, var.mode == "source", var.slot, var.shape.name if var.shape is not None else var.kind
        )
        for _, var in sorted(known.items())
    )


def _touched(scope: Scope, target: Target) -> list[Var]:
    """Return what a target writes to: its context, and what `pointer` or `reference` gives an id."""
    names = [target.context]
    if isinstance(target.transform, Invocation):
        names += [one.name for one in target.transform.parameters if isinstance(one, Name)]
    return [var for name in names if name and (var := scope.targets.get(name)) is not None]


def _place(scope: Scope, path: str, span: Span) -> Place:
    seen = _seen(scope)
    return Place(scope.file, path, span, seen)
