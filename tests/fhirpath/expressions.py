"""Generated expressions: as trees by the grammar, and as texts that are only nearly expressions.

Each is read out of a few bytes, one decision a byte; where the bytes end, the simplest thing is taken. So a
generated case is one draw of hypothesis, and a failing one shrinks to the shortest bytes that still fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from adapter.fhirpath.functions import FUNCTIONS
from adapter.fhirpath.operators import OPERATORS
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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    One = TypeVar("One")

NAMES = [
    "Patient", "name", "given", "family", "birthDate", "active", "value", "extension", "id", "contact",
    "period", "start", "telecom", "multipleBirth", "deceased", "link", "other", "reference", "contained",
    "nonsense", "div", "is", "as", "in", "contains", "true", "day", "a b", "",
]  # fmt: skip
TYPES = ["Patient", "FHIR.Patient", "System.String", "String", "string", "Quantity", "code", "HumanName"]
UNITS = ["mg", "g", "cm", "1", "wk", "mo", "a", "d", "[in_i]", "no such unit", "", "day", "%"]
STRINGS = ["", "a", "Peter", "1", "1.5", "true", "2012-04-15", "14:30", "[0-9]+", "(", "http://x"]
DATES = ["2012", "2012-02", "2012-02-29", "0001-01-01", "9999-12-31"]
MOMENTS = [
    "2012T", "2012-02-29T14", "2012-02-29T14:30:00.5Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00Z",
]  # fmt: skip
TIMES = ["14", "14:30", "23:59:59.999"]
_CHARACTERS = "a1 '\"`\\/.%$@(){}[]<>=|&,;:-_+*?^~#\t\n\r\x00\x1f\x7féßİ\u00a0\u2028\ufeff😀𭛻"

MOST_LEAVES = 8


class Decisions:
    """Bytes, taken one after the other as the answers to questions; 0 where none are left."""

    def __init__(self, given: bytes) -> None:
        self.rest = iter(given)
        self.leaves = MOST_LEAVES

    def below(self, limit: int) -> int:
        """A number from 0 up."""
        taken = next(self.rest, 0)
        if limit > 256:
            taken = taken << 8 | next(self.rest, 0)
        return taken % limit

    def one_of(self, options: Sequence[One]) -> One:
        """One of some things, the first of them the simplest."""
        return options[self.below(len(options))]

    def text(self) -> str:
        """A string, a usual or an odd one."""
        if self.below(2) == 0:
            return self.one_of(STRINGS)
        return "".join(self.one_of(_CHARACTERS) for _ in range(self.below(7)))


def _literal(kind: str, take: Callable[[Decisions], str]) -> Callable[[Decisions], Tree]:
    return lambda decisions: Literal(kind=kind, text=take(decisions))  # type: ignore[arg-type]


def _decimal(decisions: Decisions) -> str:
    whole = decisions.one_of([0, 1, 9, 10_000, 999_999_999_999])
    return f"{whole + decisions.below(10)}.{decisions.below(1_000):03d}"


def _quantity(decisions: Decisions) -> Tree:
    unit = decisions.text() if decisions.below(4) == 3 else decisions.one_of(UNITS)
    return QuantityLiteral(value=str(decisions.below(10_000)), unit=unit, is_calendar=False)


def _duration(decisions: Decisions) -> Tree:
    value = decisions.one_of(["1", "2.5", "400", "99999999"])
    unit = decisions.one_of(["day", "days", "year", "months", "seconds", "millisecond"])
    return QuantityLiteral(value=value, unit=unit, is_calendar=True)


_LEAVES: list[Callable[[Decisions], Tree]] = [
    _literal("empty", lambda _: ""),
    lambda decisions: Member(target=None, name=decisions.one_of(NAMES)),
    _literal("boolean", lambda decisions: decisions.one_of(["true", "false"])),
    _literal("integer", lambda decisions: str(decisions.below(1_000))),
    _literal("integer", lambda decisions: str(2**31 - 3 + decisions.below(6))),
    _literal("decimal", _decimal),
    _literal("string", Decisions.text),
    _literal("date", lambda decisions: decisions.one_of(DATES)),
    _literal("dateTime", lambda decisions: decisions.one_of(MOMENTS)),
    _literal("time", lambda decisions: decisions.one_of(TIMES)),
    _quantity,
    _duration,
    lambda decisions: Special(name=decisions.one_of(["this", "index", "total"])),
    lambda decisions: Variable(
        name=decisions.one_of(["resource", "context", "ucum", "given", "vs-x", "unknown", "a b"])
    ),
    lambda decisions: Member(target=None, name=decisions.one_of(NAMES)),
    lambda decisions: Member(target=None, name=decisions.one_of(NAMES)),
]


def _tree(decisions: Decisions) -> Tree:
    """Any tree, a leaf as soon as there are some eight of them."""
    if decisions.leaves <= 1 or decisions.below(8) < 3:
        return _leaf(decisions)
    return decisions.one_of(_NODES)(decisions)


def _leaf(decisions: Decisions) -> Tree:
    decisions.leaves -= 1
    return decisions.one_of(_LEAVES)(decisions)


def _target(decisions: Decisions) -> Tree | None:
    return None if decisions.below(3) == 0 else _tree(decisions)


def _binary(decisions: Decisions) -> Tree:
    operator = decisions.one_of(list(OPERATORS))
    return Binary(operator=operator, left=_tree(decisions), right=_tree(decisions))


def _type_test(decisions: Decisions) -> Tree:
    operator, kind = decisions.one_of(["is", "as"]), decisions.one_of(TYPES)
    return TypeTest(operator=operator, operand=_tree(decisions), type=kind)


def _type_call(decisions: Decisions) -> Tree:
    first, _, second = decisions.one_of(TYPES).partition(".")
    kind = Member(target=None, name=first)
    if second:
        kind = Member(target=kind, name=second)
    return Call(target=_target(decisions), name=decisions.one_of(["is", "as", "ofType"]), arguments=(kind,))


def _call(decisions: Decisions) -> Tree:
    """A call with as many arguments as the function takes, as far as there are leaves for them."""
    function = FUNCTIONS[decisions.one_of(sorted(FUNCTIONS))]
    target = _target(decisions)
    count = min(function.least + decisions.below(2), function.most, 3)
    return Call(target=target, name=function.name, arguments=tuple(_tree(decisions) for _ in range(count)))


_NODES: list[Callable[[Decisions], Tree]] = [
    lambda decisions: Member(target=_target(decisions), name=decisions.one_of(NAMES)),
    _call,
    _binary,
    lambda decisions: Indexer(target=_tree(decisions), index=_tree(decisions)),
    lambda decisions: Unary(operator=decisions.one_of("+-"), operand=_tree(decisions)),
    _type_test,
    _type_call,
    _call,
]


def _root(decisions: Decisions) -> Tree:
    """A whole expression: seldom a leaf alone."""
    return decisions.one_of([_leaf, *_NODES])(decisions)


_WORDS = [
    "Patient", ".", "name", "(", ")", "[", "]", "{", "}", "'a'", "'", "`", "\"", "1", "2.5", "@2012", "@T",
    "@", "%", "$this", "$", "and", "or", "is", "as", "in", "=", "!", "~", "<", "-", "+", "&", "|", ",",
    "where", "/*", "*/", "//", "\n", "\\u12", "\\", "days", "é", "\x00", "😀", "1e5", "..", "0x",
]  # fmt: skip


def _text(decisions: Decisions) -> str:
    """A text that is seldom an expression."""
    between = decisions.one_of([" ", "", None])
    if between is None:
        return "".join(decisions.one_of(_CHARACTERS) for _ in range(decisions.below(30)))
    return between.join(decisions.one_of(_WORDS) for _ in range(decisions.below(15)))


_bytes = st.binary(min_size=40, max_size=40)
trees: st.SearchStrategy[Tree] = _bytes.map(lambda given: _root(Decisions(given)))
texts: st.SearchStrategy[str] = _bytes.map(lambda given: _text(Decisions(given)))
