"""Text to tree: a Pratt parser with one table of binding powers.

Depth is counted while reading, so that no text can exhaust the stack: what nests deeper than `DEEPEST` or
chains longer than `LONGEST_CHAIN` is refused. Operators of equal rank bind to the left.
FHIRPath 2.0.0, "Operator Precedence" and grammar.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.fhirpath.faults import malformed, too_costly
from adapter.fhirpath.lexer import Token, refuse, token_at
from adapter.fhirpath.temporal import is_valid
from adapter.fhirpath.tree import (
    CALENDAR_UNITS,
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    QuantityLiteral,
    Span,
    Special,
    Tree,
    TypeTest,
    Unary,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 65_536
"""Characters an expression may have."""
DEEPEST = 64
"""How deep brackets, arguments and signs may nest."""
MOST_DIGITS = 64
"""Characters a number may have."""
LONGEST_CHAIN = 512
"""How many steps or operators may follow each other on one level."""

POWER = {
    "implies": 10,
    "or": 20, "xor": 20,
    "and": 30,
    "in": 40, "contains": 40,
    "=": 50, "~": 50, "!=": 50, "!~": 50,
    "<": 60, "<=": 60, ">": 60, ">=": 60,
    "|": 70,
    "is": 80, "as": 80,
    "+": 90, "-": 90, "&": 90,
    "*": 100, "/": 100, "div": 100, "mod": 100,
}  # fmt: skip
"""How strongly an operator binds, `implies` the weakest."""
SIGN_POWER = 110
STEP_POWER = 120

_RESERVED = frozenset({"true", "false", "and", "or", "xor", "implies", "div", "mod"})
"""Words that cannot start a path without backticks. After a dot any word is a name."""
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def parse(text: str) -> Tree:
    """Read the whole of `text` as one expression.

    Raises Malformed (FP1nn) with line and column, TooCostly if it is too long or nests too deep.
    """
    if len(text) > LONGEST:
        raise too_costly("FP108", limit=LONGEST)
    reader = _Reader(text, 0, frozenset())
    tree = reader.expression(0)
    refuse(text, reader.token)
    if reader.token.kind != "end":
        raise malformed("FP106", text, reader.token.start, found=_shown(reader.token))
    return tree


def parse_prefix(text: str, start: int = 0, *, stops: frozenset[str] = frozenset()) -> tuple[Tree, int]:
    """Read the longest expression that begins at offset `start`, and tell where it ends.

    `stops` are operator words that end the expression outside of brackets, for a language around it that
    uses them itself (the mapping language's `as`). Spans count from the start of `text`.

    Raises as `parse` does, if no expression begins there.
    """
    reader = _Reader(text, start, stops)
    tree = reader.expression(0)
    return tree, reader.end


class _Reader:
    """The place in the text, one token ahead."""

    __slots__ = ("depth", "end", "stops", "text", "token")

    def __init__(self, text: str, start: int, stops: frozenset[str]) -> None:
        self.text = text
        self.stops = stops
        self.depth = 0
        self.end = start
        self.token = token_at(text, start)

    def advance(self) -> Token:
        """Take the token in hand."""
        taken = self.token
        refuse(self.text, taken)
        self.end = taken.end
        self.token = token_at(self.text, taken.end)
        return taken

    def is_symbol(self, symbol: str) -> bool:
        return self.token.kind == "symbol" and self.token.text == symbol

    def expect(self, symbol: str) -> Token:
        if not self.is_symbol(symbol):
            raise self.unexpected(f"'{symbol}'")
        return self.advance()

    def unexpected(self, expected: str) -> Exception:
        """Make the error for the token in hand; `expected` is what could stand here, in symbols."""
        refuse(self.text, self.token)
        if self.token.kind == "end":
            return malformed("FP109", self.text, self.token.start, expected=expected)
        return malformed("FP105", self.text, self.token.start, found=_shown(self.token), expected=expected)

    def wanting(self, code: str) -> Exception:
        """Make the error for a token where a name (FP111) or an operand (FP110) has to stand."""
        refuse(self.text, self.token)
        found = _shown(self.token) if self.token.kind != "end" else "∎"
        return malformed(code, self.text, self.token.start, found=found)

    def nested(self, read: Callable[[], Tree]) -> Tree:
        """Read one level deeper."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise too_costly("FP107", self.text, self.token.start, limit=DEEPEST)
        tree = read()
        self.depth -= 1
        return tree

    def expression(self, weakest: int) -> Tree:
        """Read an operand, then every operator that binds more strongly than `weakest`."""
        start = self.token.start
        tree = self.operand()
        links = 0
        while (operator := self.operator()) is not None and POWER[operator] > weakest:
            links += 1
            if links > LONGEST_CHAIN:
                raise too_costly("FP107", self.text, self.token.start, limit=LONGEST_CHAIN)
            self.advance()
            if operator in ("is", "as"):
                name = self.type_name()
                tree = TypeTest(operator=operator, operand=tree, type=name, span=Span(start, self.end))
                continue
            right = self.expression(POWER[operator])
            tree = Binary(operator=operator, left=tree, right=right, span=Span(start, self.end))
        return tree

    def operator(self) -> str | None:
        """Name the operator in hand, or None."""
        token = self.token
        if token.kind not in ("symbol", "name") or token.text not in POWER:
            return None
        return None if token.text in self.stops and self.depth == 0 else token.text

    def type_name(self) -> str:
        names = [self.identifier()]
        while self.is_symbol("."):
            # `x is Patient.name` reads as a qualified name; only the namespaces take a second part.
            if names[-1] not in ("FHIR", "System"):
                break
            self.advance()
            names.append(self.identifier())
        return ".".join(names)

    def identifier(self) -> str:
        if self.token.kind not in ("name", "quoted"):
            raise self.wanting("FP111")
        return self.advance().text

    def operand(self) -> Tree:
        """Read a term with its sign and its steps."""
        start = self.token.start
        if self.is_symbol("+") or self.is_symbol("-"):
            sign = self.advance().text
            operand = self.nested(self.operand)
            return Unary(operator=sign, operand=operand, span=Span(start, self.end))
        tree = self.term()
        links = 0
        while True:
            if self.is_symbol("."):
                self.advance()
                tree = self.step(tree, start)
            elif self.is_symbol("["):
                self.advance()
                index = self.nested(lambda: self.expression(0))
                self.expect("]")
                tree = Indexer(target=tree, index=index, span=Span(start, self.end))
            else:
                return tree
            links += 1
            if links > LONGEST_CHAIN:
                raise too_costly("FP107", self.text, self.token.start, limit=LONGEST_CHAIN)

    def step(self, target: Tree | None, start: int) -> Tree:
        """Read a name or a call, or `$this` after a dot."""
        if self.token.kind == "special" and target is not None:
            raise self.wanting("FP111")
        name_at = self.token.start
        name = self.identifier()
        if not self.is_symbol("("):
            return Member(target=target, name=name, name_at=name_at, span=Span(start, self.end))
        self.advance()
        arguments: list[Tree] = []
        while not self.is_symbol(")"):
            if arguments:
                if not self.is_symbol(","):
                    raise self.unexpected("',' ')'")
                self.advance()
            arguments.append(self.directed(name))
        self.advance()
        span = Span(start, self.end)
        return Call(target=target, name=name, arguments=tuple(arguments), name_at=name_at, span=span)

    def directed(self, function: str) -> Tree:
        """Read an argument; one of sort() may end with `asc` or `desc`, which is a minus before it."""
        start = self.token.start
        argument = self.nested(lambda: self.expression(0))
        if function != "sort" or self.token.kind != "name" or self.token.text not in ("asc", "desc"):
            return argument
        if self.advance().text == "asc":
            return argument
        return Unary(operator="-", operand=argument, span=Span(start, self.end))

    def term(self) -> Tree:
        token = self.token
        reading = _TERMS.get(token.kind)
        if reading is None:
            raise self.wanting("FP110")
        return reading(self)

    def symbol(self) -> Tree:
        start = self.token.start
        if self.is_symbol("("):
            self.advance()
            tree = self.nested(lambda: self.expression(0))
            self.expect(")")
            return tree
        if self.is_symbol("{"):
            self.advance()
            self.expect("}")
            return Literal(kind="empty", text="", span=Span(start, self.end))
        if self.is_symbol("%"):
            self.advance()
            if self.token.kind not in ("name", "quoted", "string", "doubled"):
                raise self.wanting("FP111")
            return Variable(name=self.advance().text, span=Span(start, self.end))
        raise self.wanting("FP110")

    def name(self) -> Tree:
        token = self.token
        if token.text in ("true", "false"):
            self.advance()
            return Literal(kind="boolean", text=token.text, span=Span(token.start, token.end))
        if token.text in _RESERVED:
            raise self.wanting("FP110")
        return self.step(None, token.start)

    def special(self) -> Tree:
        token = self.advance()
        return Special(name=token.text[1:], span=Span(token.start, token.end))

    def string(self) -> Tree:
        token = self.advance()
        return Literal(kind="string", text=token.text, span=Span(token.start, token.end))

    def number(self) -> Tree:
        token = self.advance()
        if len(token.text) > MOST_DIGITS:
            raise malformed("FP112", self.text, token.start, limit=MOST_DIGITS)
        unit = self.token
        if unit.kind == "string":
            self.advance()
            return QuantityLiteral(
                value=token.text, unit=unit.text, is_calendar=False, span=Span(token.start, self.end)
            )
        if unit.kind == "name" and unit.text in CALENDAR_UNITS:
            self.advance()
            return QuantityLiteral(
                value=token.text, unit=unit.text, is_calendar=True, span=Span(token.start, self.end)
            )
        kind = "decimal" if "." in token.text else "integer"
        return Literal(kind=kind, text=token.text, span=Span(token.start, token.end))  # type: ignore[arg-type]

    def moment(self) -> Tree:
        token = self.advance()
        kind = {"date": "date", "datetime": "dateTime", "time": "time"}[token.kind]
        text = token.text[2:] if kind == "time" else token.text[1:]
        if not is_valid(kind, text):
            raise malformed("FP104", self.text, token.start, literal=token.text)
        return Literal(kind=kind, text=text, span=Span(token.start, token.end))  # type: ignore[arg-type]


_TERMS: dict[str, Callable[[_Reader], Tree]] = {
    "symbol": _Reader.symbol,
    "name": _Reader.name,
    "quoted": lambda reader: reader.step(None, reader.token.start),
    "special": _Reader.special,
    "string": _Reader.string,
    "number": _Reader.number,
    "date": _Reader.moment,
    "datetime": _Reader.moment,
    "time": _Reader.moment,
}


def _shown(token: Token) -> str:
    """A token for a message; what stands in quotes may be somebody's data and is not shown."""
    return "'...'" if token.kind in ("string", "doubled") else f"'{token.text}'"


def is_plain_name(name: str) -> bool:
    """True if `name` needs no backticks anywhere."""
    words = _RESERVED | {"is", "as", "in", "contains", *CALENDAR_UNITS}
    return _IDENTIFIER.fullmatch(name) is not None and name not in words
