"""Conditions of the plain kind, decided without FHIRPath: `code = 'x'`, `%pid.f8.exists()`, with and, or.

Most conditions of most maps compare a path with a text or ask whether there is something. Of a source without
types their answer is plain to see, and several times as fast to give. Where something stands there that only
FHIRPath can judge (a number, a resource, what could be an element by the name of its type), the answer is
`UNSURE`, and the expression itself is evaluated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from adapter.fhirpath.tree import Binary, Call, Literal, Member, Special, Variable
from adapter.mapping.nodes import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.compiler.scope import Frame, Scope
    from adapter.mapping.nodes import Item

UNSURE: Final = object()
Answer: TypeAlias = "bool | object | None"
"""True, False, None for FHIRPath's empty, or UNSURE."""
Question: TypeAlias = "Callable[[Frame, Item], Answer]"
"""Frame and focus in."""
Way: TypeAlias = "tuple[tuple[str, str, int], ...]"
"""Of each name on a path: itself, what stands beside it, its length."""
Read: TypeAlias = "Callable[[Frame, Item], Item]"
"""What stands at a path: a value, a list of them, None for nothing, or UNSURE."""


def question(scope: Scope, tree: Tree) -> Question | None:
    """Compile a condition whose variables are marked as such; None if it is not of the plain kind."""
    if isinstance(tree, Binary):
        if tree.operator in ("and", "or"):
            # One plain part may be enough to decide.
            first, second = question(scope, tree.left), question(scope, tree.right)
            return None if first is None else _joined(first, second or _unsure, tree.operator == "or")
        if tree.operator in ("=", "!="):
            return _compared(scope, tree)
        if tree.operator == "in":
            return _contained(scope, tree)
    if isinstance(tree, Call) and tree.name in OF_TEXT:
        return _of_text(scope, tree)
    if isinstance(tree, Call) and not tree.arguments and tree.target is not None:
        if tree.name in ("exists", "empty"):
            read = _read(scope, tree.target)
            return None if read is None else _asked(read, is_there=tree.name == "exists")
        if tree.name == "not":
            inner = question(scope, tree.target)
            return None if inner is None else _negated(inner)
    return None


OF_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": str.__contains__,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
"""Functions that ask about a text by another."""


def _unsure(_: Frame, __: Item) -> Answer:
    return UNSURE


def _joined(first: Question, second: Question, certain: bool) -> Question:
    """Join by `or`, which is certain once a part is true, or by `and`, which is once a part is false."""

    def joined(frame: Frame, focus: Item) -> Answer:
        one = first(frame, focus)
        if one is certain or one is UNSURE:
            return one
        other = second(frame, focus)
        if other is certain or other is UNSURE:
            return other
        return None if one is None or other is None else not certain

    return joined


def _negated(inner: Question) -> Question:
    def negated(frame: Frame, focus: Item) -> Answer:
        answer = inner(frame, focus)
        return not answer if answer.__class__ is bool else answer

    return negated


def _compared(scope: Scope, tree: Binary) -> Question | None:
    sides = (tree.left, tree.right)
    literal = next((side for side in sides if isinstance(side, Literal)), None)
    if literal is None or literal.kind != "string":
        return None
    read = _read(scope, sides[1] if sides[0] is literal else sides[0])
    if read is None:
        return None
    text, wanted = literal.text, tree.operator == "="

    def compared(frame: Frame, focus: Item) -> Answer:
        found: Item = read(frame, focus)
        if found.__class__ is list:
            if len(found) != 1:
                return not wanted if found else None
            found = found[0]
        if found.__class__ is str:
            same: bool = found == text
            return same is wanted
        return None if found is None else UNSURE

    return compared


def _contained(scope: Scope, tree: Binary) -> Question | None:
    """Ask whether a text is one of several."""
    literals = tuple(united(tree.right))
    read = _read(scope, tree.left)
    if read is None or any(one is None for one in literals):
        return None
    texts = frozenset(literals)

    def contained(frame: Frame, focus: Item) -> Answer:
        found = read(frame, focus)
        if found.__class__ is list and len(found) < 2:
            found = found[0] if found else None
        if found is None:
            return None
        return found in texts if isinstance(found, str) else UNSURE

    return contained


def united(tree: Tree) -> Iterator[str | None]:
    """Yield the texts of `'a' | 'b'`, None for anything else that stands there."""
    if isinstance(tree, Binary) and tree.operator == "|":
        yield from united(tree.left)
        yield from united(tree.right)
    else:
        yield tree.text if isinstance(tree, Literal) and tree.kind == "string" else None


def _of_text(scope: Scope, tree: Call) -> Question | None:
    """Ask about a text whether it has another in it, at its beginning or at its end."""
    argument = tree.arguments[0] if len(tree.arguments) == 1 else None
    if not isinstance(argument, Literal) or argument.kind != "string":
        return None
    read = _itself if tree.target is None else _read(scope, tree.target)
    if read is None:
        return None
    ask, text = OF_TEXT[tree.name], argument.text

    def of_text(frame: Frame, focus: Item) -> Answer:
        found = read(frame, focus)
        if found.__class__ is list and len(found) < 2:
            found = found[0] if found else None
        if found.__class__ is str:
            return ask(found, text)
        return None if found is None else UNSURE

    return of_text


def _itself(_: Frame, focus: Item) -> Item:
    return UNSURE if focus is None else focus


def _asked(read: Read, *, is_there: bool) -> Question:
    def asked(frame: Frame, focus: Item) -> Answer:
        found = read(frame, focus)
        is_nothing: bool = found is None or found == []
        return UNSURE if found is UNSURE else is_nothing is not is_there

    return asked


def _read(scope: Scope, tree: Tree) -> Read | None:
    """Compile a path from a variable, a constant or the focus."""
    names: list[str] = []
    while isinstance(tree, Member) and tree.target is not None:
        names.append(tree.name)
        tree = tree.target
    down = descent(tuple(reversed(names)))
    if isinstance(tree, Member):
        down = descent((tree.name, *reversed(names)))
        return lambda _, focus: down(focus)
    if isinstance(tree, Special) and tree.name == "this":
        return lambda _, focus: UNSURE if focus is None else down(focus)
    if isinstance(tree, Call):
        return _filtered(scope, tree, down)
    if not isinstance(tree, Variable):
        return None
    name = tree.name
    if name in scope.vars:
        slot = scope.vars[name].slot
        return lambda frame, _: down(frame[slot])
    if name in scope.constants:
        return lambda frame, _: down(frame[0].constants.get(name))
    return None


def _filtered(scope: Scope, tree: Call, down: Callable[[Item], Item]) -> Read | None:
    """Compile `path.where(condition)`, and what may follow it."""
    if tree.name != "where" or tree.target is None or len(tree.arguments) != 1:
        return None
    read, inner = _read(scope, tree.target), question(scope, tree.arguments[0])
    if read is None or inner is None:
        return None

    def filtered(frame: Frame, focus: Item) -> Item:
        found = read(frame, focus)
        if found is None or found is UNSURE:
            return found
        passed: list[Item] = []
        for one in found if found.__class__ is list else (found,):
            answer = inner(frame, one)
            if answer is UNSURE:
                return UNSURE
            if answer is True:
                passed.append(one)
        return down(passed)

    return filtered


def descent(names: tuple[str, ...]) -> Callable[[Item], Item]:
    """Return what goes down a path: it gives a value, a list of them, None for nothing, or UNSURE.

    A watched node notes what is looked at.
    """
    way: Way = tuple((name, f"_{name}", len(name)) for name in names)
    down = quiet_descent(names)

    def noted(value: Item) -> Item:
        return _watched(value, way) if isinstance(value, Watched) else down(value)

    return noted


def quiet_descent(names: tuple[str, ...]) -> Callable[[Item], Item]:
    """Return the same that nothing is noted of."""
    way: Way = tuple((name, f"_{name}", len(name)) for name in names)

    def down(value: Item) -> Item:
        for name, beside, size in way:
            if isinstance(value, dict):
                value = _below(value, name, beside, size)
            elif value.__class__ is list:
                found: list[Item] = []
                for one in value:
                    if not isinstance(one, dict):
                        continue
                    below = _below(one, name, beside, size)
                    if below is UNSURE:
                        return UNSURE
                    if below.__class__ is list:
                        found += below
                    elif below is not None:
                        found.append(below)
                value = found
            else:
                return value if value is UNSURE else None
            if value is None:
                return None
        return value

    return down


def _watched(start: Watched, way: Way) -> Item:
    """Go down from a watched node; what the way ends at is noted, what it leads through is not."""
    node, last = start, len(way) - 1
    for at, (name, beside, size) in enumerate(way):
        found = _below(node, name, beside, size)
        if at < last and isinstance(found, Watched):
            node = found
            continue
        if found is None:
            if node is not start:
                node.log.append((node, None, None))
        elif found is not UNSURE:
            node.note(name, found)
            if at < last:
                return _spread(found, way[at + 1 :])
        return found
    return start


def _spread(found: Item, way: Way) -> Item:
    """Go on from several nodes, or from a leaf, which has nothing below it."""
    if found.__class__ is not list:
        return None
    several: list[Item] = []
    for one in found:
        if one.__class__ is list:
            return UNSURE
        if not isinstance(one, Watched):
            continue
        below = _watched(one, way)
        if below is UNSURE:
            return UNSURE
        if below.__class__ is list:
            several += below
        elif below is not None:
            several.append(below)
    return several[0] if len(several) == 1 else several or None


def _below(node: dict[str, Item], name: str, beside: str, size: int) -> Item:
    if beside in node or "resourceType" in node:
        return UNSURE
    found = dict.get(node, name)
    if found is not None:
        return found if found.__class__ is not list or None not in found else UNSURE
    return UNSURE if may_be_a_choice(node, name, size) else None


def may_be_a_choice(node: dict[str, Item], name: str, size: int) -> bool:
    """True if a key could be that of a choice element: its name, `size` long, and the name of a type."""
    if name not in "".join(node):
        return False
    return any(key.startswith(name) and key[size : size + 1].isupper() for key in node)
