"""Values that a rule reads: variables, constants, plain paths, and FHIRPath compiled by its own room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.errors import AdapterError
from adapter.fhirpath.results import json_value
from adapter.fhirpath.tree import Binary, Call, Literal, Member, Special, Variable
from adapter.fhirpath.values import Element
from adapter.mapping.fml.compiler.conditions import UNSURE, question
from adapter.mapping.fml.compiler.questions import written
from adapter.mapping.fml.compiler.scope import Value, fixed, variable
from adapter.mapping.fml.compiler.transforms import copy_of
from adapter.mapping.fml.paths import (
    condition_names,
    gives_source,
    kind_of,
    plain_path,
    renamed,
    variables,
    walk,
    with_variables,
)
from adapter.mapping.models import choice_keys
from adapter.mapping.nodes import Primitive, Typed, Watched, of_type, together
from adapter.mapping.notes import At
from adapter.mapping.run import Made
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from adapter.fhirpath.expression import Expression as Path
    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.compiler.compilation import Compilation
    from adapter.mapping.fml.compiler.questions import Question
    from adapter.mapping.fml.compiler.scope import Frame, Scope, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run

BUILT_IN = frozenset({"context", "resource", "rootResource", "ucum", "sct", "loinc", "vs"})


def names_in_scope(scope: Scope) -> set[str]:
    """Return every name that means a variable or a constant here."""
    return {*scope.vars, *scope.constants}


def expression(
    compilation: Compilation,
    scope: Scope,
    tree: Tree,
    mark: RuleMark,
    *,
    names: Collection[str] | None = None,
    is_typed: bool = False,
) -> Callable[[Frame, Item], Item] | None:
    """Compile FHIRPath to `(frame, focus) -> list`; None if it is faulty, which is noted.

    `names` are those that mean variables, if not all in scope. With `is_typed`, what it finds in FHIR says
    of itself which type it is.
    """
    known = names_in_scope(scope) if names is None else names
    tree = with_variables(tree, known)
    if scope.is_fhir:
        tree = renamed(tree, _choice_by_stem)
    used = [name for name in variables(tree) if name in scope.vars or name in scope.constants]
    strangers = [
        part
        for part in walk(tree)
        if isinstance(part, Variable) and part.name not in used and not _is_built_in(part.name)
    ]
    for part in strangers:
        compilation.no_variable(scope, part.span, part.name, known)
    if strangers:
        return None
    compiled = _compiled(compilation, scope, tree, used)
    if compiled is None:
        return None
    slots = [
        (name, scope.vars[name].slot, _wrapping(scope, scope.vars[name]))
        for name in used
        if name in scope.vars
    ]
    wrap = _wrapping(scope, scope.focus)
    constants = [name for name in used if name not in scope.vars]
    found = _typed(compiled) if is_typed and scope.is_fhir else compiled

    def evaluate(frame: Frame, focus: Item) -> Item:
        run = frame[0]
        environment = {name: as_item(frame[slot]) for name, slot, as_item in slots}
        for name in constants:
            environment[name] = run.constants.get(name, [])
        for name, value in environment.items():
            if value is None:
                environment[name] = []
        try:
            return found({} if focus is None else wrap(focus), environment)
        except AdapterError as error:
            again = lambda _, watched: compiled(  # noqa: E731
                {} if focus is None else wrap(watched(focus)),
                {name: watched(value) for name, value in environment.items()},
            )
            run.fault(error.code, mark, At(focus, None, again), **error.issue.params)
            return []

    return evaluate


def _typed(compiled: Path) -> Callable[[Item, Mapping[str, Item]], list[Item]]:
    def find(focus: Item, environment: Mapping[str, Item]) -> list[Item]:
        return [
            of_type(together(item.value, item.sibling), item.type)
            if isinstance(item, Element) and item.type is not None
            else json_value(item)
            for item in compiled.items(focus, environment)
        ]

    return find


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, ready to be asked of a frame and a focus."""

    ask: Callable[[Frame, Item], bool]
    written: frozenset[int]
    """Slots of the variables that rules write to."""
    slots: tuple[int, ...] = ()
    """Variables that it reads."""
    plain: Question | None = None
    """The same as a plain question, which can write itself."""

    def write(self, script: Script, value: int) -> str:
        """Write it about the variable in a slot; return the text of its answer."""
        self.note(script, value)
        if self.plain is None:
            return self._whole(script, value)
        return self.plain.write(script, value, lambda: self._whole(script, value))

    def _whole(self, script: Script, value: int) -> str:
        return f"{script.name(self.ask)}({script.frame(self.slots)}, v{value})"

    def note(self, script: Script, value: int) -> None:
        """Write, in a traced script, that it is asked; what it looks at is worked out for whoever asks."""
        if script.is_traced:
            held = "".join(
                f"{script.name(as_now)}(v{slot}), " if slot in self.written else f"v{slot}, "
                for slot in self.slots
            )
            asked = f"{script.name(self.ask)}, v{value}, {script.name(self.slots)}, ({held})"
            script.line(f"{script.adding('asked')}(({asked}))")


def as_now(value: Item) -> Item:
    """Return a value as it is at this moment, whatever rules will write to it."""
    return copy_of(value) if value.__class__ is Made else value


def condition(
    compilation: Compilation,
    scope: Scope,
    tree: Tree,
    mark: RuleMark,
    *,
    names: Collection[str] | None = None,
) -> Condition | None:
    """Compile FHIRPath to what is asked of a frame and a focus; None if it is faulty, which is noted."""
    evaluate = expression(compilation, scope, tree, mark, names=names)
    if evaluate is None:
        return None
    known = names_in_scope(scope) if names is None else names
    marked = with_variables(tree, known)
    plain = None if scope.is_fhir else question(scope, marked)

    def test(frame: Frame, focus: Item) -> bool:
        answer = UNSURE if plain is None else plain(frame, focus)
        return is_true(evaluate(frame, focus)) if answer is UNSURE else answer is True

    asked = _remembering(test) if _is_about_text(tree) else test
    slots = slots_of(scope, tree)
    return Condition(asked, scope.written, slots, None if plain is None else written(scope, marked))


_PARTS_ABOUT_TEXT = frozenset({"matches", "matchesFull", "contains", "startsWith", "endsWith", "not"})


def _is_about_text(tree: Tree) -> bool:
    """True if nothing but the focus decides, and a pattern has to be matched to know."""
    parts = list(walk(tree))
    names = {part.name for part in parts if isinstance(part, Call)}
    return bool(names & {"matches", "matchesFull"}) and all(
        isinstance(part, (Binary, Literal))
        or (isinstance(part, Special) and part.name == "this")
        or (isinstance(part, Call) and part.name in _PARTS_ABOUT_TEXT)
        for part in parts
    )


def _remembering(ask: Callable[[Frame, Item], bool]) -> Callable[[Frame, Item], bool]:
    """Ask about each text once in a run: a document names the same few code systems everywhere."""
    identity = object()

    def test(frame: Frame, focus: Item) -> bool:
        if focus.__class__ is not str:
            return ask(frame, focus)
        run: Run = frame[0]
        answer = run.answers.get((identity, focus))
        if answer is None:
            heard = len(run.issues)
            answer = ask(frame, focus)
            if len(run.issues) == heard:
                run.answers[identity, focus] = answer
        return answer

    return test


def is_true(found: list[Item]) -> bool:
    """Read the result of a condition: empty is false, anything but a lone `false` is true."""
    return bool(found) and not (len(found) == 1 and found[0] is False)


def _wrapping(scope: Scope, var: Var | None) -> Callable[[Item], Item]:
    """Return what tells FHIRPath the type of a FHIR value that does not carry it itself."""
    kind = None
    if scope.is_fhir and var is not None and var.mode == "source":
        kind = var.shape.name if var.shape is not None and var.shape.kind != "logical" else var.kind
    if kind is None or (var is not None and var.shape is not None and var.shape.kind == "resource"):
        return _of_its_type if scope.is_fhir else _as_it_is

    def wrap(value: Item) -> Item:
        if isinstance(value, Primitive):
            return Element(value.get("value"), kind, value.beside)
        return value if value is None or isinstance(value, (list, Element)) else Element(value, kind)

    return wrap


def _as_it_is(value: Item) -> Item:
    if isinstance(value, Primitive):
        return Element(value.get("value"), value.type, value.beside)
    if isinstance(value, list) and any(isinstance(one, Primitive) for one in value):
        return [_as_it_is(one) for one in value]
    return value


def _of_its_type(value: Item) -> Item:
    """Tell FHIRPath the type that something out of a choice element says of itself."""
    if isinstance(value, (Typed, Watched)) and value.type is not None:
        return Element(value, value.type)
    if isinstance(value, list) and any(isinstance(one, (Primitive, Typed, Watched)) for one in value):
        return [_of_its_type(one) for one in value]
    return _as_it_is(value)


def _choice_by_stem(part: Tree) -> Tree:
    """Read `x.valueString` as `x.value.ofType(string)`, as maps have long been written."""
    if not isinstance(part, Member) or part.name.islower():
        return part
    known = choice_keys().get(part.name)
    if known is None:
        return part
    stem = Member(target=part.target, name=known[0], span=part.span)
    return Call(target=stem, name="ofType", arguments=(Member(target=None, name=known[1]),), span=part.span)


def _is_built_in(name: str) -> bool:
    return name in BUILT_IN or name.startswith(("vs-", "ext-"))


def _compiled(compilation: Compilation, scope: Scope, tree: Tree, used: list[str]) -> Item:
    from adapter.fhirpath import compile_tree

    try:
        return compile_tree(tree, tuple(used), text=scope.file.text.content)
    except AdapterError as error:
        issue = error.issue
        compilation.faults.issues.append(
            Issue(
                error.code, scope.file.text.file, issue.params, line=issue.line or
                scope.file.place(tree.span)[0], column=issue.column or scope.file.place(tree.span)[1],
            )
        )  # fmt: skip
        return None


def follow(names: tuple[str, ...]) -> Callable[[Item], Item]:
    """Return what walks down `names`: None for nothing, the value, or a list of several."""

    def walk_down(value: Item) -> Item:
        for name in names:
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, list):
                found: list[Item] = []
                for one in value:
                    below = one.get(name) if isinstance(one, dict) else None
                    if isinstance(below, list):
                        found += below
                    elif below is not None:
                        found.append(below)
                value = found[0] if len(found) == 1 else found or None
            else:
                return None
        return value

    return walk_down


def value_of(
    compilation: Compilation, scope: Scope, tree: Tree, mark: RuleMark, *, is_typed: bool = False
) -> Value | None:
    """Compile an expression that gives a value: a plain path from a variable directly, else by FHIRPath."""
    path = plain_path(tree)
    if path is not None and path[0] in scope.vars:
        direct = _direct(scope, *path)
        if direct is not None:
            return direct
    if isinstance(tree, Literal) and tree.kind == "string":
        return fixed(tree.text, "string")
    evaluate = expression(compilation, scope, tree, mark, is_typed=is_typed)
    if evaluate is None:
        return None
    focus = scope.focus
    used = slots_of(scope, tree)

    def get(frame: Frame) -> Item:
        return alone(evaluate(frame, None if focus is None else frame[focus.slot]))

    def write(script: Script) -> str:
        about = "None" if focus is None else f"v{focus.slot}"
        return f"{script.name(alone)}({script.name(evaluate)}({script.frame(used)}, {about}))"

    slots = used or (() if focus is None else (focus.slot,))
    return Value(
        get, write, kind_of(tree), slots=slots, beside=() if focus is None else (focus.slot,), is_path=True,
        is_list=True, is_condition=not gives_source(tree), conditions=condition_names(tree),
    )  # fmt: skip


def alone(found: list[Item]) -> Item:
    """Return what an expression gives as a value: nothing, one, or a list of several."""
    return found[0] if len(found) == 1 else found or None


def _direct(scope: Scope, name: str, rest: tuple[str, ...]) -> Value | None:
    var = scope.vars[name]
    if not rest:
        return variable(var)
    if scope.is_fhir and var.mode == "source":
        return None
    return below_variable(var, rest)


def below_variable(var: Var, path: tuple[str, ...]) -> Value:
    """Return the value of a plain path from a variable."""
    slot, down = var.slot, follow(path)

    def write(script: Script) -> str:
        from_any = f"{script.name(down)}(v{slot})"
        if len(path) > 1:
            return from_any
        return f"(v{slot}.get({script.name(path[0])}) if isinstance(v{slot}, dict) else {from_any})"

    return Value(lambda frame: down(frame[slot]), write, slots=(slot,), is_path=True, is_list=True)


def slots_of(scope: Scope, tree: Tree) -> tuple[int, ...]:
    """Return the slots of the variables that an expression reads."""
    names = variables(with_variables(tree, names_in_scope(scope)))
    return tuple(scope.vars[name].slot for name in names if name in scope.vars)
