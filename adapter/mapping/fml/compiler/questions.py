"""Plain conditions as Python text: what `conditions` decides by closures, a group writes out.

FHIRPath has three answers, and a condition asks only whether one is true. So each part writes when it is
true and when it is false, and what is neither is in neither. Paths are read first, and once for all rules
that stand beside each other. Where something stands there that only FHIRPath can judge, the whole condition
is asked instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from adapter.fhirpath.tree import Binary, Call, Literal, Member, Special, Variable
from adapter.mapping.fml.compiler.conditions import OF_TEXT, UNSURE, may_be_a_choice, quiet_descent, united

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.compiler.scope import Scope, Var
    from adapter.mapping.fml.compiler.script import Script
    from adapter.mapping.nodes import Item


@dataclass(frozen=True, slots=True)
class Path:
    """A path from a variable, a constant or the focus."""

    var: Var | None
    constant: str | None
    names: tuple[str, ...]

    def write(self, script: Script, focus: int) -> str:
        """Write what reads it; return the local variable that holds what was found."""
        if self.constant is not None:
            root, is_lasting = f"run.constants.get({script.name(self.constant)})", True
        else:
            root = f"v{focus if self.var is None else self.var.slot}"
            is_lasting = self.var is not None and not self.var.is_written

        def text() -> str:
            return f"{script.name(way(self.names))}({root})" if self.names else root

        if is_lasting:
            return script.once((root, self.names), text)
        found = script.fresh()
        script.line(f"{found} = {text()}")
        return found


@cache
def way(names: tuple[str, ...]) -> Callable[[Item], Item]:
    """Return what goes down a path and gives nothing, a value, several, or UNSURE."""
    below = quiet_descent(names)
    name, beside, size = names[0], f"_{names[0]}", len(names[0])

    def go(value: Item) -> Item:
        found = below(value)
        return None if found.__class__ is list and not found else found

    def step(value: Item) -> Item:
        if isinstance(value, dict) and beside not in value and "resourceType" not in value:
            found = dict.get(value, name)
            if found.__class__ is str or isinstance(found, dict):
                return found
            if found is None:
                return UNSURE if may_be_a_choice(value, name, size) else None
        return go(value)

    return step if len(names) == 1 else go


_IS_TEXT = "({0} is None or {0}.__class__ is str)"
_IS_SURE = "{0} is not {1}"


@dataclass(frozen=True, slots=True)
class Part:
    """A question about one path."""

    path: Path
    true: Callable[[Script, str], str]
    false: Callable[[Script, str], str]
    is_about_text: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """Two questions joined by `and` or `or`."""

    first: Node
    second: Node
    operator: str


@dataclass(frozen=True, slots=True)
class Negated:
    """The opposite of a question."""

    inner: Node


Node: TypeAlias = "Part | Joined | Negated"


@dataclass(frozen=True, slots=True)
class Question:
    """A condition of nothing but plain parts."""

    root: Node

    def write(self, script: Script, focus: int, whole: Callable[[], str]) -> str:
        """Write it; return the text of its answer. `whole` writes the condition for FHIRPath to judge."""
        read: dict[int, str] = {}
        fit: dict[str, None] = {}
        for part in _parts(self.root):
            found = read[id(part)] = part.path.write(script, focus)
            fit[(_IS_TEXT if part.is_about_text else _IS_SURE).format(found, script.name(UNSURE))] = None
        answer = script.fresh()
        with script.block(f"if {' and '.join(fit)}:"):
            script.line(f"{answer} = {_text(self.root, script, read, is_true=True)}")
        with script.block("else:"):
            script.line(f"{answer} = {whole()}")
        return answer


def _parts(node: Node) -> list[Part]:
    if isinstance(node, Part):
        return [node]
    if isinstance(node, Negated):
        return _parts(node.inner)
    return [*_parts(node.first), *_parts(node.second)]


def _text(node: Node, script: Script, read: dict[int, str], *, is_true: bool) -> str:
    if isinstance(node, Negated):
        return _text(node.inner, script, read, is_true=not is_true)
    if isinstance(node, Part):
        return (node.true if is_true else node.false)(script, read[id(node)])
    first, second = (_text(one, script, read, is_true=is_true) for one in (node.first, node.second))
    word = "and" if (node.operator == "and") is is_true else "or"
    return f"({first} {word} {second})"


def written(scope: Scope, tree: Tree) -> Question | None:
    """Take a condition whose variables are marked as such; None if it is not plain in all of its parts."""
    root = _node(scope, tree)
    return None if root is None else Question(root)


def _node(scope: Scope, tree: Tree) -> Node | None:
    if isinstance(tree, Binary):
        if tree.operator in ("and", "or"):
            first, second = _node(scope, tree.left), _node(scope, tree.right)
            return None if first is None or second is None else Joined(first, second, tree.operator)
        if tree.operator in ("=", "!="):
            return _compared(scope, tree)
        if tree.operator == "in":
            return _contained(scope, tree)
    if isinstance(tree, Call) and tree.name in OF_TEXT:
        return _of_text(scope, tree)
    if isinstance(tree, Call) and not tree.arguments and tree.target is not None:
        if tree.name in ("exists", "empty"):
            path = _path(scope, tree.target)
            there = None if path is None else Part(path, _is_there, _is_not_there, False)
            return there if there is None or tree.name == "exists" else Negated(there)
        if tree.name == "not":
            inner = _node(scope, tree.target)
            return None if inner is None else Negated(inner)
    return None


def _is_there(_: Script, found: str) -> str:
    return f"{found} is not None"


def _is_not_there(_: Script, found: str) -> str:
    return f"{found} is None"


def _compared(scope: Scope, tree: Binary) -> Node | None:
    sides = (tree.left, tree.right)
    literal = next((side for side in sides if isinstance(side, Literal)), None)
    if literal is None or literal.kind != "string":
        return None
    path, text = _path(scope, sides[1] if sides[0] is literal else sides[0]), literal.text
    if path is None:
        return None
    same = Part(
        path,
        lambda script, found: f"{found} == {script.name(text)}",
        lambda script, found: f"({found} is not None and {found} != {script.name(text)})",
        True,
    )
    return same if tree.operator == "=" else Negated(same)


def _contained(scope: Scope, tree: Binary) -> Node | None:
    literals = tuple(united(tree.right))
    path = _path(scope, tree.left)
    if path is None or any(one is None for one in literals):
        return None
    texts = frozenset(literals)
    return Part(
        path,
        lambda script, found: f"{found} in {script.name(texts)}",
        lambda script, found: f"({found} is not None and {found} not in {script.name(texts)})",
        True,
    )


def _of_text(scope: Scope, tree: Call) -> Node | None:
    argument = tree.arguments[0] if len(tree.arguments) == 1 else None
    if not isinstance(argument, Literal) or argument.kind != "string":
        return None
    path = Path(scope.focus, None, ()) if tree.target is None else _path(scope, tree.target)
    if path is None:
        return None
    ask, text = OF_TEXT[tree.name], argument.text

    def true(script: Script, found: str) -> str:
        return f"({found} is not None and {script.name(ask)}({found}, {script.name(text)}))"

    def false(script: Script, found: str) -> str:
        return f"({found} is not None and not {script.name(ask)}({found}, {script.name(text)}))"

    return Part(path, true, false, True)


def _path(scope: Scope, tree: Tree) -> Path | None:
    names: list[str] = []
    while isinstance(tree, Member) and tree.target is not None:
        names.append(tree.name)
        tree = tree.target
    if isinstance(tree, Member):
        return Path(scope.focus, None, (tree.name, *reversed(names)))
    below = tuple(reversed(names))
    if isinstance(tree, Special) and tree.name == "this":
        return Path(scope.focus, None, below)
    if isinstance(tree, Variable) and tree.name in scope.vars:
        return Path(scope.vars[tree.name], None, below)
    if isinstance(tree, Variable) and tree.name in scope.constants:
        return Path(None, tree.name, below)
    return None
