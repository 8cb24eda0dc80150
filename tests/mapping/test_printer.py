"""Printing: whatever the grammar allows is read, written and read again as the same map."""

# ruff: noqa: E501 (a map reads best on one line)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.fhirpath.parser import parse as parse_path
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.printer import print_map
from adapter.mapping.fml.structuremap import from_structure_map, to_structure_map
from adapter.mapping.fml.tokens import Text
from adapter.mapping.fml.tree import (
    CodeRow,
    CodeTable,
    Constant,
    Expression,
    Group,
    Input,
    Invocation,
    MapFile,
    Name,
    Rule,
    Source,
    Target,
    Use,
    Written,
)

if TYPE_CHECKING:
    from adapter.fhirpath.tree import Tree

GROUP = "group G(source src : A, target tgt : B) {\n%s\n}\n"
HOSTILE = {
    "quotes in a rule's name": GROUP % 'src.a as x -> tgt.b = x "it\'s \\"so\\"";',
    "backslashes": GROUP % r"src.a -> tgt.b = 'a\\b\'c', tgt.c = '\\';",
    "line breaks and controls in a text": GROUP % "src.a -> tgt.b = 'a\nb\x01\u2028c';",
    "unicode escapes": GROUP % r"src.a -> tgt.b = '\u00e4\u0000';",
    "delimited names": GROUP % r"src.`ä b` as `x\`y` -> tgt.`a\\b` = `x\`y`;",
    "keywords as names": GROUP % "src.source as source -> tgt.target as target then { source.as as as -> target.then = as; };",
    "modes as names": GROUP % "src.default as first first -> tgt.share as share share share;",
    "comments between all words": "group /*a*/ G /*b*/ ( /*c*/ source src /*d*/ : /*e*/ A , target tgt : B ) { // x\n"
    " src /*f*/ . /*g*/ a /*h*/ as /*i*/ x /*j*/ -> /*k*/ tgt /*l*/ . b /*m*/ = /*n*/ x /*o*/ 'n' /*p*/ ; /*q*/ }\n",
    "comments in an expression": GROUP % "src.a as x where (x /*c*/ = 'a' // d\n and true) -> tgt.b = x;",
    "comment marks in a text": GROUP % "src.a -> tgt.b = '// no /* comment */', tgt.c = \"http://x.y/z\";",
    "apostrophes in a double quoted expression": GROUP % 'src where a = "it\'s \\"x\\"" -> tgt.b = src;',
    "old syntax": 'map "http://x" = "n"\nuses "u" alias A as source\nimports "i*"\n'
    + GROUP % 'src.a : string 0..1 default "x" first as v where v.exists() check v.length() > 1 log v -> tgt.b = create("X") as n share foo, n.c = copy(v) then Sub(v, n) "r";',
    "long metadata": '/// description = """\na "quoted" text\nwith \'both\' \\n\n"""\n' + GROUP % "src.a -> tgt.b;",
    "constants": "let a = 'x';\nlet b = {};\nlet c = a & 'y';\n" + GROUP % "src.a -> tgt.b = a;",
    "a code table": 'conceptmap "#x" { prefix s = "urn:s" prefix t = "urn:t" s:a - t:b s:"a b" == t:`c d` s:123-4 ~ t:x.y s:q -- unmapped for s = provided }\n'
    + GROUP % "src.a -> tgt.b;",
    "literals": GROUP % "src.a -> tgt.b = -5, tgt.c = 1.50, tgt.d = true, tgt.e = @2020-01-01, tgt.f = @T10:00, tgt.g = @2020-01-01T10:00:00.000+02:00;",
    "brackets around one word": GROUP % "src.a as x -> tgt.b = append((3), (x), (-5), ('a'), (x.y)), tgt.c = (x);",
    "several sources": GROUP % "src.a as x, src.b as y, x.c as z -> tgt.b = append(x, y, z);",
    "a batch of elements": GROUP % 'src -> tgt: id, active, `g h`;\n  src.x -> tgt.y: a, b "Others"; // why\n  src -> tgt: c;',
    "quantities": GROUP % "src -> tgt.a = 5 days, tgt.b = 5 'mg', tgt.c = {}, tgt.d = (5 'mg'), tgt.e = 5 'name';",
    "type tests in brackets": GROUP % "src.a as x where (x as string).exists() -> tgt.b = (x as Quantity);",
    "a group without inputs": "group Any() { source.a as a -> target.b = a; }\n",
    "nothing inside": "group G(source src, target tgt) extends H <<type+>> { src.a as x then {}; }\n",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_printed_is_the_same_map(text: str) -> None:
    """Printed and read again it is the same tree; printed twice it is the same text."""
    tree, issues = parse(text)
    assert tree is not None
    printed = print_map(tree)
    again, _ = parse(printed)

    assert issues == []
    assert again == tree
    assert print_map(again) == printed


DEPTH = 3000
DEEP = {
    "rules": "group G(source a, target b) {" + "a as a then {" * DEPTH + "};" * DEPTH + "}",
    "brackets": GROUP % f"src where {'(' * DEPTH}a{')' * DEPTH} -> tgt.b;",
    "operators": GROUP % f"src where {'a and ' * DEPTH}a -> tgt.b;",
    "paths": GROUP % f"src where ({'a.' * DEPTH}a) -> tgt.b;",
    "calls": GROUP % f"src -> tgt.b = {'append(' * DEPTH}a{')' * DEPTH};",
    "signs": GROUP % f"src where ({'-' * DEPTH}1 = 1) -> tgt.b;",
    "quotes that nothing closes": "group G(source a, target b) { a -> b.c = '" + "\\'" * 20_000,
    "comments that nothing closes": "/* " * 20_000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_what_is_too_deep_or_never_ends_is_a_finding(text: str) -> None:
    """No depth and no open end does more than give findings of our own."""
    _, issues = parse(text, "deep.map")

    assert issues
    assert {issue.code[:2] for issue in issues} <= {"MP", "FP"}
    assert all(issue.line for issue in issues)


NAMES = st.sampled_from(["a", "src", "where", "as", "then", "ä b", "x`y", "b\\c", "a.b", "_1"])
TEXTS = st.text(st.sampled_from("ab\"'\\`\n\t/*é😀{};"), max_size=6)
TREES = st.sampled_from(
    [
        "a",
        "%x.b",
        "a.where(b = 'it''s' or c)".replace("''", "\\'"),
        "-1",
        "{}",
        "'q'",
        "a | b & 'c'",
        "a[0].b",
    ]
).map(parse_path)
WRITTEN = st.builds(lambda text: Written(value=text, kind="string"), TEXTS) | st.sampled_from([
    Written(value=5, kind="integer"), Written(value=-5, kind="integer"), Written(value="1.50", kind="decimal"),
    Written(value=True, kind="boolean"), Written(value="2020-01", kind="date"),
    Written(value="10:00", kind="time"), Written(value="2020-01-01T10:00:00Z", kind="dateTime"),
])  # fmt: skip
EXPRESSIONS = st.builds(lambda tree: Expression(tree=tree), TREES)
PARAMETERS = WRITTEN | st.builds(lambda name: Name(name=name), NAMES) | EXPRESSIONS
CALLS = st.builds(
    lambda name, given: Invocation(name=name, parameters=tuple(given)),
    NAMES,
    st.lists(PARAMETERS, max_size=3),
)
PATHS = st.lists(NAMES, max_size=2).map(tuple)


def _or_none(strategy: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree | None]:
    return st.none() | strategy


SOURCES = st.builds(
    Source, context=NAMES, path=PATHS, type=_or_none(st.just("A.b")), variable=_or_none(NAMES),
    cardinality=st.sampled_from([None, (0, 1), (1, None)]), mode=st.sampled_from([None, "first", "only_one"]),
    default=_or_none(TREES), where=_or_none(TREES), check=_or_none(TREES), log=_or_none(TREES),
)  # fmt: skip
TARGETS = st.builds(
    Target, context=NAMES, path=PATHS, variable=_or_none(NAMES), mode=st.sampled_from([None, "first"]),
    transform=_or_none(WRITTEN | CALLS | EXPRESSIONS),
) | st.builds(Target, context=st.none(), transform=CALLS, variable=NAMES)  # fmt: skip
RULES = st.recursive(
    st.builds(
        Rule, sources=st.lists(SOURCES, min_size=1, max_size=2).map(tuple), name=_or_none(TEXTS.filter(bool)),
        targets=st.lists(TARGETS, max_size=2).map(tuple), dependents=st.lists(CALLS, max_size=1).map(tuple),
    ),
    lambda below: st.builds(
        Rule, sources=st.lists(SOURCES, min_size=1, max_size=1).map(tuple), name=_or_none(TEXTS.filter(bool)),
        rules=st.lists(below, min_size=1, max_size=2).map(tuple),
    ),
    max_leaves=3,
)  # fmt: skip
INPUTS = st.builds(Input, mode=st.sampled_from(["source", "target"]), name=NAMES, type=_or_none(NAMES))
MAPS = st.builds(
    lambda url, use, constant, code, rules, inputs: MapFile(
        url=url, name="n", text=Text.of("", ""), has_map_line=True,
        tables=(CodeTable(
            url="#t", prefixes=(("s", url), ("t", "urn:t")),
            rows=(CodeRow(source_prefix="s", source=code, relation="equal", target_prefix="t", target=code),),
        ),),
        uses=(Use(url=use, alias="A", mode="source"),), constants=(Constant(name="k", value=constant),),
        groups=(Group(name="G", inputs=tuple(inputs), rules=tuple(rules)),),
    ),
    TEXTS.filter(bool), TEXTS.filter(bool), TREES, TEXTS.filter(bool), st.lists(RULES, max_size=3),
    st.lists(INPUTS, min_size=1, max_size=3),
)  # fmt: skip


@given(MAPS)
@settings(max_examples=30)
def test_any_map_is_read_as_it_was_written(tree: MapFile) -> None:
    """A map made of any names, texts and expressions is printed so that it is read again."""
    again, issues = parse(print_map(tree))

    assert issues == []
    assert again == tree


@given(MAPS)
@settings(max_examples=30)
def test_any_map_is_a_structure_map_and_back(tree: MapFile) -> None:
    """As a StructureMap it says the same, too."""
    again, issues = from_structure_map(to_structure_map(tree))

    assert issues == []
    assert again is not None
    assert again.groups == tree.groups
