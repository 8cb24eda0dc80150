"""Tree to text: the expression again, with the brackets it needs and no more.

`parse(print_tree(tree)) == tree` for every tree that `parse` gives.
"""

from __future__ import annotations

from adapter.fhirpath.parser import POWER, SIGN_POWER, STEP_POWER, is_plain_name
from adapter.fhirpath.tree import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    QuantityLiteral,
    Special,
    Tree,
    TypeTest,
    Unary,
    Variable,
)

_ESCAPES = {
    "\\": "\\\\", "'": "\\'", "`": "\\`", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
}  # fmt: skip
_MARK = {"date": "@", "dateTime": "@", "time": "@T"}


def print_tree(tree: Tree) -> str:
    """Write `tree` as an expression."""
    return _print(tree, 0)


def _print(tree: Tree, weakest: int) -> str:
    """Write `tree`, in brackets if it binds no more strongly than `weakest`."""
    text, power = _said(tree)
    return f"({text})" if power <= weakest else text


def _said(tree: Tree) -> tuple[str, int]:
    """The text of a node, and how strongly it binds."""
    match tree:
        case Literal():
            return _literal(tree), STEP_POWER + 1
        case QuantityLiteral(value=value, unit=unit, is_calendar=is_calendar):
            return f"{value} {unit if is_calendar else _quoted(unit)}", STEP_POWER + 1
        case Variable(name=name):
            return f"%{_name(name)}", STEP_POWER + 1
        case Special(name=name):
            return f"${name}", STEP_POWER + 1
        case Member(target=target, name=name):
            return f"{_before(target)}{_name(name)}", STEP_POWER + 1
        case Call(target=target, name=name, arguments=arguments):
            inside = ", ".join(_print(argument, 0) for argument in arguments)
            return f"{_before(target)}{_name(name)}({inside})", STEP_POWER + 1
        case Indexer(target=target, index=index):
            return f"{_print(target, STEP_POWER)}[{_print(index, 0)}]", STEP_POWER + 1
        case Unary(operator=operator, operand=operand):
            return f"{operator}{_print(operand, SIGN_POWER - 1)}", SIGN_POWER
        case Binary(operator=operator, left=left, right=right):
            power = POWER[operator]
            return f"{_print(left, power - 1)} {operator} {_print(right, power)}", power
        case TypeTest(operator=operator, operand=operand, type=type_name):
            power = POWER[operator]
            name = ".".join(_name(part) for part in type_name.split("."))
            return f"{_print(operand, power - 1)} {operator} {name}", power
    raise AssertionError(type(tree))


def _before(target: Tree | None) -> str:
    return "" if target is None else f"{_print(target, STEP_POWER)}."


def _literal(tree: Literal) -> str:
    if tree.kind == "empty":
        return "{}"
    if tree.kind == "string":
        return _quoted(tree.text)
    return _MARK.get(tree.kind, "") + tree.text


def _quoted(text: str) -> str:
    return "'" + "".join(_ESCAPES.get(character, character) for character in text) + "'"


def _name(name: str) -> str:
    if is_plain_name(name):
        return name
    return "`" + "".join(_ESCAPES.get(character, character) for character in name) + "`"
