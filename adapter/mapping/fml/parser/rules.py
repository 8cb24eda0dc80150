"""Groups and their rules, source by source and target by target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Literal as PathLiteral
from adapter.fhirpath.tree import Span
from adapter.mapping.fml.parser.cursor import Lost
from adapter.mapping.fml.parser.expressions import STOPS, bracketed, clause_end, condition, expression
from adapter.mapping.fml.tree import Expression, Group, Input, Invocation, Name, Rule, Source, Target, Written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.parser.cursor import Cursor
    from adapter.mapping.fml.tree import Parameter, Transform
    from adapter.mapping.nodes import Item

SOURCE_MODES = frozenset({"first", "last", "not_first", "not_last", "only_one"})
TARGET_MODES = frozenset({"first", "last", "share", "single", "collate"})
_CALENDAR = frozenset({"year", "month", "week", "day", "hour", "minute", "second", "millisecond"})
DEEPEST = 64
"""Rules inside each other, at most."""


def group(cursor: Cursor) -> Group:
    """Read a group with all its rules."""
    start = cursor.advance().start
    name = cursor.name("the name of the group")
    cursor.expect("(")
    inputs = [] if cursor.is_symbol(")") else [_input(cursor)]  # a group to extend may leave them out
    while cursor.take(","):
        inputs.append(_input(cursor))
    cursor.expect(")")
    extends = None
    default: Item = None
    while not cursor.is_symbol("{"):
        if cursor.take_word("extends"):
            extends = cursor.name("the name of a group")
        elif cursor.take("<<"):
            default = cursor.name("types or type+")
            if default == "type" and cursor.take("+"):
                default = "type+"
            if default not in ("types", "type+"):
                cursor.lost("types or type+")
            cursor.expect(">>")
        else:
            cursor.lost("'{'")
    return Group(
        name=name, inputs=tuple(inputs), rules=_rules(cursor), extends=extends, default=default,
        span=cursor.span(start),
    )  # fmt: skip


def _input(cursor: Cursor) -> Input:
    start = cursor.token.start
    mode: Item = cursor.name("source or target")
    if mode not in ("source", "target"):
        cursor.back()
        cursor.lost("source or target")
    name = cursor.name("the name of an input")
    kind = _type_name(cursor) if cursor.take(":") else None
    return Input(mode=mode, name=name, type=kind, span=cursor.span(start))


def _type_name(cursor: Cursor) -> str:
    parts = [cursor.name("the name of a type")]
    while cursor.take("."):
        parts.append(cursor.name("the name of a type"))
    return ".".join(parts)


def _rules(cursor: Cursor) -> tuple[Rule, ...]:
    opening = cursor.expect("{")
    cursor.depth += 1
    try:
        if cursor.depth > DEEPEST:
            cursor.fault("MP108", opening.start, limit=DEEPEST)
            raise Lost
        return tuple(_rules_inside(cursor, opening.start))
    finally:
        cursor.depth -= 1


def _rules_inside(cursor: Cursor, opening: int) -> Iterator[Rule]:
    while not cursor.take("}"):
        if cursor.token.kind == "end":
            cursor.fault("MP109", opening)
            raise Lost
        if cursor.is_word("group") and cursor.peek(2).text == "(" and cursor.starts_declaration():
            cursor.fault("MP109", opening)
            return
        try:
            yield from _rule(cursor)
        except Lost:
            _skip_rule(cursor)


def _skip_rule(cursor: Cursor) -> None:
    """Go on after the `;` that ends the rule, or at the `}` that ends the rules around it."""
    depth = 0
    while cursor.token.kind != "end":
        if cursor.is_word("group") and cursor.starts_declaration():
            return
        if cursor.token.kind == "symbol":
            if cursor.token.text == ";" and depth <= 0:
                cursor.advance()
                return
            if cursor.token.text == "}":
                if depth <= 0:
                    return
                depth -= 1
            elif cursor.token.text == "{":
                depth += 1
        cursor.advance()


def _rule(cursor: Cursor) -> tuple[Rule, ...]:
    """Read one rule; `a -> b: c, d` is as many as it names elements."""
    start = cursor.token.start
    sources = [_source(cursor)]
    while cursor.take(","):
        sources.append(_source(cursor))
    targets: list[Target] = []
    if cursor.take("->"):
        targets.append(_target(cursor))
        if cursor.is_symbol(":") and len(sources) == 1:
            return _batch(cursor, start, sources[0], targets[0])
        while cursor.take(","):
            targets.append(_target(cursor))
    dependents: list[Invocation] = []
    nested: tuple[Rule, ...] | None = None
    if cursor.take_word("then"):
        if cursor.is_symbol("{"):
            nested = _rules(cursor)
        else:
            dependents.append(_invocation(cursor))
            while cursor.take(","):
                dependents.append(_invocation(cursor))
            if cursor.is_symbol("{"):
                nested = _rules(cursor)
    name = cursor.advance().text if cursor.token.kind in ("doubled", "string") else None
    cursor.semicolon()
    rule = Rule(
        sources=tuple(sources), targets=tuple(targets), dependents=tuple(dependents), rules=nested,
        name=name, span=cursor.span(start),
    )  # fmt: skip
    return (rule,)


def _batch(cursor: Cursor, start: int, source: Source, target: Target) -> tuple[Rule, ...]:
    """Read the rest of `a -> b: c, d "name";`."""
    names: list[tuple[str, int]] = []
    while cursor.take(",") or not names:
        if not names:
            cursor.expect(":")
        begin = cursor.token.start
        names.append((cursor.name("the name of an element"), begin))
    name = cursor.advance().text if cursor.token.kind in ("doubled", "string") else None
    cursor.semicolon()
    end = cursor.span(start).end
    starts = [start, *(begin for _, begin in names[1:])]
    ends = [*(begin for _, begin in names[1:]), end]
    return tuple(
        Rule(
            sources=(replace(source, path=(*source.path, element)),),
            targets=(replace(target, path=(*target.path, element)),),
            name=name,
            span=Span(first, last),
        )
        for (element, _), first, last in zip(names, starts, ends, strict=True)
    )


def _path(cursor: Cursor) -> tuple[str, ...]:
    parts: list[str] = []
    while cursor.take("."):
        parts.append(cursor.name("the name of an element"))
        if cursor.is_symbol("[") and cursor.peek().text == "x" and cursor.peek(2).text == "]":
            cursor.advance(), cursor.advance(), cursor.advance()
    return tuple(parts)


def _source(cursor: Cursor) -> Source:
    start = cursor.token.start
    given: dict[str, Item] = {"context": cursor.name("a source"), "path": _path(cursor)}
    while cursor.token.kind in ("name", "number") or cursor.is_symbol(":"):
        if cursor.take(":"):
            given["type"] = _type_name(cursor)
        elif cursor.token.kind == "number":
            given["cardinality"] = _cardinality(cursor)
        elif not _source_clause(cursor, given):
            break
    return Source(span=cursor.span(start), **given)


def _source_clause(cursor: Cursor, given: dict[str, Item]) -> bool:
    """Read one clause of a source; False if the word in hand begins none."""
    word = cursor.token.text
    if word in SOURCE_MODES:
        given["mode"] = cursor.advance().text
    elif word == "as":
        cursor.advance()
        given["variable"] = cursor.name("the name of a variable")
    elif word in ("where", "check", "log"):
        cursor.advance()
        given[word] = condition(cursor)
    elif word == "default":
        cursor.advance()
        given["default"] = _default(cursor)
    else:
        return False
    return True


def _default(cursor: Cursor) -> Tree:
    if cursor.is_symbol("("):
        return bracketed(cursor)
    token = cursor.token
    if token.kind in ("doubled", "string"):
        cursor.advance()
        return PathLiteral(kind="string", text=token.text, span=Span(token.start, token.end))
    return expression(cursor, clause_end(cursor), STOPS)


def _cardinality(cursor: Cursor) -> tuple[int, int | None]:
    # The words of `0..1` are cut as `0`, `..`, `1`, as no number ends in a dot.
    least = _count(cursor)
    cursor.expect("..")
    return least, None if cursor.take("*") else _count(cursor)


def _count(cursor: Cursor) -> int:
    if cursor.token.kind != "number" or not cursor.token.text.isdecimal():
        cursor.lost("a number or '*'")
    return int(cursor.advance().text)


def _target(cursor: Cursor) -> Target:
    start = cursor.token.start
    given: dict[str, Item] = {"context": None}
    if cursor.is_symbol("("):
        begin = cursor.token.start
        given["transform"] = Expression(tree=bracketed(cursor), span=cursor.span(begin))
    elif (
        cursor.token.kind in ("name", "quoted")
        and cursor.peek().text == "("
        and cursor.peek().kind == "symbol"
    ):
        given["transform"] = _invocation(cursor)
    else:
        given["context"] = cursor.name("a target")
        given["path"] = _path(cursor)
        if cursor.take("="):
            given["transform"] = _transform(cursor)
    while cursor.token.kind == "name":
        if cursor.take_word("as"):
            given["variable"] = cursor.name("the name of a variable")
        elif cursor.token.text in TARGET_MODES:
            mode = cursor.advance().text
            given["mode"] = mode
            if mode == "share":
                given["share"] = cursor.name("the name that is shared")
        else:
            break
    return Target(span=cursor.span(start), **given)


def _transform(cursor: Cursor) -> Transform:
    start = cursor.token.start
    if cursor.is_symbol("("):
        tree = bracketed(cursor)
        return Expression(tree=tree, span=cursor.span(start))
    if (
        cursor.token.kind in ("name", "quoted")
        and cursor.peek().text == "("
        and cursor.peek().kind == "symbol"
    ):
        return _invocation(cursor)
    if cursor.token.kind == "number" and cursor.peek().kind in ("string", "name") and _is_unit(cursor):
        return Expression(tree=expression(cursor), span=cursor.span(start))
    literal = _literal(cursor)
    if literal is not None:
        return literal
    if cursor.token.kind in ("name", "quoted"):
        name = cursor.name()
        return Name(name=name, path=_path(cursor), span=cursor.span(start))
    if cursor.is_symbol("{") and cursor.peek().text == "}":
        return Expression(tree=expression(cursor), span=cursor.span(start))
    return cursor.lost("a value, a variable, a transform or '('")


def _is_unit(cursor: Cursor) -> bool:
    """Tell whether a quantity is in hand: `5 days`, `5 'mg'`, and no rule's name behind a number."""
    unit, after = cursor.peek(), cursor.peek(2)
    if unit.kind == "string":
        return after.text != ";"
    return unit.text.removesuffix("s") in _CALENDAR


def _literal(cursor: Cursor) -> Written | None:
    token = cursor.token
    made: Written | None = None
    span = Span(token.start, token.end)
    if token.kind in ("string", "doubled"):
        made = Written(value=token.text, kind="string", span=span)
    elif token.kind == "number":
        made = _number(token.text, span)
    elif token.kind == "moment":
        kind: Item = "time" if token.text[1] == "T" else "dateTime" if "T" in token.text else "date"
        made = Written(value=token.text[1:].lstrip("T"), kind=kind, span=span)
    elif token.kind == "name" and token.text in ("true", "false") and cursor.peek().text not in (".", "("):
        made = Written(value=token.text == "true", kind="boolean", span=span)
    elif cursor.is_symbol("-") and cursor.peek().kind == "number":
        cursor.advance()
        made = _number(cursor.token.text, Span(token.start, cursor.token.end), "-")
    if made is not None:
        cursor.advance()
    return made


def _number(text: str, span: Span, sign: str = "") -> Written:
    """Read `5`, `5.0`, `.5`, and `5L`, which R4 has no type of its own for."""
    if "." in text:
        return Written(
            value=f"{sign}{text if text[0] != '.' else f'0{text}'}".rstrip("L"), kind="decimal", span=span
        )
    return Written(value=int(f"{sign}{text.rstrip('L')}"), kind="integer", span=span)


def _invocation(cursor: Cursor) -> Invocation:
    start = cursor.token.start
    name = cursor.name("the name of a group or transform")
    cursor.expect("(")
    parameters: list[Parameter] = []
    while not cursor.take(")"):
        if parameters:
            cursor.expect(",")
        parameters.append(_parameter(cursor))
    return Invocation(name=name, parameters=tuple(parameters), span=cursor.span(start))


def _parameter(cursor: Cursor) -> Parameter:
    start, ends = cursor.token.start, (",", ")")
    if cursor.peek().kind == "symbol" and cursor.peek().text in ends:
        if cursor.token.kind in ("name", "quoted") and cursor.token.text not in ("true", "false"):
            return Name(name=cursor.name(), span=cursor.span(start))
        literal = _literal(cursor)
        if literal is not None:
            return literal
    elif cursor.is_symbol("-") and cursor.peek().kind == "number" and cursor.peek(2).text in ends:
        literal = _literal(cursor)
        if literal is not None:
            return literal
    return Expression(tree=expression(cursor), span=cursor.span(start))
