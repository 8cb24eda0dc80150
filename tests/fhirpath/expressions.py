"""Generated expressions: as trees by the grammar, and as texts that are only nearly expressions."""

from __future__ import annotations

from hypothesis import strategies as st

from adapter.fhirpath.signature import FUNCTIONS
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

NAMES = [
    "Patient", "name", "given", "family", "birthDate", "active", "value", "extension", "id", "contact",
    "period", "start", "telecom", "multipleBirth", "deceased", "link", "other", "reference", "contained",
    "nonsense", "div", "is", "as", "in", "contains", "true", "day", "a b", "",
]  # fmt: skip
TYPES = ["Patient", "FHIR.Patient", "System.String", "String", "string", "Quantity", "code", "HumanName"]
UNITS = ["mg", "g", "cm", "1", "wk", "mo", "a", "d", "[in_i]", "no such unit", "", "day", "%"]

_texts = st.text(max_size=6)
_plain = st.sampled_from(
    ["", "a", "Peter", "1", "1.5", "true", "2012-04-15", "14:30", "[0-9]+", "(", "http://x"]
)

literals: st.SearchStrategy[Tree] = st.one_of(
    st.just(Literal(kind="empty", text="")),
    st.sampled_from(["true", "false"]).map(lambda text: Literal(kind="boolean", text=text)),
    st.integers(0, 2**33).map(lambda value: Literal(kind="integer", text=str(value))),
    st.decimals(0, 10**12, places=3).map(lambda value: Literal(kind="decimal", text=str(value))),
    (_texts | _plain).map(lambda text: Literal(kind="string", text=text)),
    st.sampled_from(["2012", "2012-02", "2012-02-29", "0001-01-01", "9999-12-31"]).map(
        lambda text: Literal(kind="date", text=text)
    ),
    st.sampled_from(
        ["2012T", "2012-02-29T14", "2012-02-29T14:30:00.5Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00Z"]
    ).map(lambda text: Literal(kind="dateTime", text=text)),
    st.sampled_from(["14", "14:30", "23:59:59.999"]).map(lambda text: Literal(kind="time", text=text)),
    st.builds(
        lambda value, unit: QuantityLiteral(value=str(value), unit=unit, is_calendar=False),
        st.integers(0, 9999),
        st.sampled_from(UNITS) | st.text(max_size=4),
    ),
    st.builds(
        lambda value, unit: QuantityLiteral(value=value, unit=unit, is_calendar=True),
        st.sampled_from(["1", "2.5", "400", "99999999"]),
        st.sampled_from(["day", "days", "year", "months", "seconds", "millisecond"]),
    ),
)
leaves: st.SearchStrategy[Tree] = st.one_of(
    literals,
    st.sampled_from(["this", "index", "total"]).map(lambda name: Special(name=name)),
    st.sampled_from(["resource", "context", "ucum", "given", "vs-x", "unknown", "a b"]).map(
        lambda name: Variable(name=name)
    ),
    st.sampled_from(NAMES).map(lambda name: Member(target=None, name=name)),
)

_OPERATORS = [
    "implies", "or", "xor", "and", "in", "contains", "=", "~", "!=", "!~", "<",
    "<=", ">", ">=", "|", "+", "-", "&", "*", "/", "div", "mod",
]  # fmt: skip


def _grown(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    optional = st.none() | inner
    types = st.sampled_from(TYPES)
    named = types.map(
        lambda name: (
            Member(target=Member(target=None, name=name.split(".")[0]), name=name.split(".")[1])
            if "." in name
            else Member(target=None, name=name)
        )
    )
    return st.one_of(
        st.builds(lambda target, name: Member(target=target, name=name), optional, st.sampled_from(NAMES)),
        st.builds(lambda target, index: Indexer(target=target, index=index), inner, inner),
        st.builds(
            lambda operator, operand: Unary(operator=operator, operand=operand), st.sampled_from("+-"), inner
        ),
        st.builds(
            lambda operator, left, right: Binary(operator=operator, left=left, right=right),
            st.sampled_from(_OPERATORS),
            inner,
            inner,
        ),
        st.builds(
            lambda operator, operand, kind: TypeTest(operator=operator, operand=operand, type=kind),
            st.sampled_from(["is", "as"]),
            inner,
            types,
        ),
        st.builds(
            lambda target, name, kind: Call(target=target, name=name, arguments=(kind,)),
            optional,
            st.sampled_from(["is", "as", "ofType"]),
            named,
        ),
        st.builds(_call, optional, st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, max_size=3)),
    )


def _call(target: Tree | None, name: str, arguments: list[Tree]) -> Tree:
    """A call with as many arguments as the function takes, as far as there are any to take."""
    function = FUNCTIONS[name]
    while len(arguments) < min(function.least, 2):
        arguments = [*arguments, Literal(kind="string", text="a")]
    return Call(target=target, name=name, arguments=tuple(arguments[: function.most]))


trees: st.SearchStrategy[Tree] = st.recursive(leaves, _grown, max_leaves=8)

_WORDS = [
    "Patient", ".", "name", "(", ")", "[", "]", "{", "}", "'a'", "'", "`", "\"", "1", "2.5", "@2012", "@T",
    "@", "%", "$this", "$", "and", "or", "is", "as", "in", "=", "!", "~", "<", "-", "+", "&", "|", ",",
    "where", "/*", "*/", "//", "\n", "\\u12", "\\", "days", "é", "\x00", "😀", "1e5", "..", "0x",
]  # fmt: skip
texts: st.SearchStrategy[str] = st.one_of(
    st.lists(st.sampled_from(_WORDS), max_size=14).map(" ".join),
    st.lists(st.sampled_from(_WORDS), max_size=14).map("".join),
    st.text(max_size=30),
)
"""Texts that are seldom expressions."""
