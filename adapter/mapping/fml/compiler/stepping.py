"""What a build for debugging adds to the closures of a traced one: a note of every step that is taken.

A group and a rule are entered and left; within a rule each value of a source and each target is a step. A
note holds what the variables are at that moment, so that the run can be stepped through afterwards, in both
directions. No other build knows of this file's work.
HL7 FHIR Mapping Language guide, Debug Trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from adapter.mapping.fml.tree import Invocation, Name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.fhirpath.tree import Span
    from adapter.mapping.fml.compiler.loops import Loop
    from adapter.mapping.fml.compiler.parts import Piece
    from adapter.mapping.fml.compiler.scope import Action, Frame, Scope, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.fml.tree import Group, MapFile, Rule, Target
    from adapter.mapping.nodes import Item

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
    look: Callable[[Frame], tuple[Item, ...]]
    """Gives the value of each variable, and behind these the origin of each."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """A source each value of which is a step."""

    loop: Loop
    found: Action
    nothing: Action
    step: None = None

    def around(self, actions: Sequence[Action]) -> Action:
        look, nothing = self.loop.around([self.found, *actions]), self.nothing

        def run(frame: Frame) -> None:
            steps = frame[0].steps
            before = steps.count
            look(frame)
            if steps.count == before:
                nothing(frame)

        return run

    def write(self, script: Script, inside: Callable[[], None]) -> None:
        self.loop.write(script, inside)


class Stepping:
    """Makes the notes of one build."""

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}

    def group(self, scope: Scope, group: Group, actions: Sequence[Piece]) -> list[Piece]:
        """Note that a group is entered and left."""
        at = _place(scope, self._path(scope.file, group), group.span)
        return [_note("enter", at), *actions, _note("exit", at)]

    def rule(self, outer: Scope, rule: Rule, action: Action) -> Action:
        """Note that a rule is entered and left."""
        at = _place(outer, self._path(outer.file, rule), rule.span)
        enter, leave = _note("enter", at), _note("exit", at)

        def run(frame: Frame) -> None:
            enter(frame)
            action(frame)
            leave(frame)

        return run

    def source(self, outer: Scope, inner: Scope, rule: Rule, at: int, loop: Loop) -> Loop:
        """Note each value of a source; also that there is none."""
        source = rule.sources[at]
        path = f"{self._path(inner.file, rule)}.source[{at}]"
        found = _note("step", _place(inner, path, source.span))
        nothing = _note("step", _place(outer, path, source.span))

        return _Noted(loop, found, nothing)

    def target(self, scope: Scope, rule: Rule, at: int, action: Action) -> Action:
        """Note what a target has made or filled."""
        target = rule.targets[at]
        path = f"{self._path(scope.file, rule)}.target[{at}]"
        note = _note("step", _place(scope, path, target.span))
        touched = tuple({var.slot for var in _touched(scope, target)})
        way = target.path[:-1]

        def run(frame: Frame) -> None:
            action(frame)
            steps = frame[0].steps
            for slot in touched:
                steps.changed(frame[slot], way)
            note(frame)

        return run

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
    slots = [variable.slot for variable in seen]
    look = itemgetter(*slots, *(slot + 1 for slot in slots)) if slots else lambda _: ()
    return Place(scope.file, path, span, seen, look)


def _note(phase: Phase, place: Place) -> Action:
    def note(frame: Frame) -> None:
        frame[0].steps.note(phase, place, frame)

    return note
