"""Map text to tree, and back."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.printer import print_map
from adapter.shipped import folder

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'map "urn:m" = "m"\n'


def group(rules: str) -> str:
    return f"{HEAD}group G(source src, target tgt) {{\n{rules}\n}}\n"


READ = {
    "simple": "src.a -> tgt.b;",
    "keywords as names": "src.source as group -> tgt.target as uses then G(group, uses);",
    "where without brackets": "src.a as x where type = 'author' -> tgt.b as y then G(x, y);",
    "where in brackets": "src.a as x where (type = 'a' or code) check (b) log (c) -> tgt.b = x;",
    "cardinality": "src.a : string 0..1 default 'x' first as v -> tgt.b = v;",
    "unbounded": "src.a 1..* as v -> tgt.b = v;",
    "list modes": "src.a not_first as v -> tgt.b as c share one, tgt.d as e first;",
    "several sources": "src.a as a where x.exists(), src.b as b -> tgt.c = append(a, '-', b);",
    "nested": 'src.a as a -> tgt.b as b then { a.c -> b.d; a.e as e then { e.f -> b.g; } "n"; };',
    "several groups": 'src.a as a -> tgt.b as b then G(a, b), G(a, b) { a.x -> b.y; } "n";',
    "expression": "src.a as a -> tgt.b = ('urn:uuid:' + a.lower()), tgt.c = (a.b[0] | 'x');",
    "evaluate": "src -> tgt.b = evaluate(src, iif(a = \"it's\", 1, 2)), tgt.c = evaluate(src, 'a.b');",
    "literals": 'src -> tgt.a = 1, tgt.b = -2.50, tgt.c = true, tgt.d = @2020-01-01, tgt.e = "x";',
    "other numbers": "src.a 0..1 as a -> tgt.a = .5, tgt.b = -.25, tgt.c = 5L, tgt.d = qty(.5, 'mg'), tgt.e = truncate(a, 5L);",
    "bare value": "src -> uuid() as id, ('a' & 'b') as ab, tgt.c = id;",
    "deep paths": "src.a.b.c as v -> tgt.d.e = v;",
    "no target": "src.a as a then G(a, tgt);",
    "backticks": "src.`a-b` as v -> tgt.`c d` = v;",
}


@pytest.mark.parametrize("rules", READ.values(), ids=READ)
def test_a_map_printed_and_read_again_is_the_same_tree(rules: str) -> None:
    """Every form of rule survives printing, and printing twice changes nothing."""
    tree, issues = parse(group(rules))
    assert tree is not None, issues
    assert not issues

    printed = print_map(tree)
    again, problems = parse(printed)

    assert (again, problems, print_map(again)) == (tree, [], printed)  # type: ignore[arg-type]


def test_comments_outlive_printing_each_at_its_rule() -> None:
    """Comments above, behind and at the end of rules are all kept, in their order."""
    text = group("// above\nsrc.a -> tgt.b; // behind\n\n/* block */\nsrc.c -> tgt.d;\n// last") + "// end\n"
    tree, _ = parse(text)
    assert tree is not None

    printed = print_map(tree)

    assert [comment.text for comment in parse(printed)[0].comments] == [  # type: ignore[union-attr]
        "// above", "// behind", "/* block */", "// last", "// end",
    ]  # fmt: skip


def test_new_headers_are_read() -> None:
    """Metadata lines, constants and an inline concept map make one file."""
    text = (
        "/// url = 'urn:m'\n/// name = 'm'\n/// status = draft_is_no_literal\n"
        'conceptmap "#c" {\n prefix s = "urn:s"\n prefix t = "urn:t"\n s:a == t:"b c"\n s:12-3 - t:x\n s:z --\n}\n'
        "let one = 1;\nlet nothing = {};\ngroup G(source s, target t) <<type+>> { s -> t.a = one; }\n"
    )
    tree, issues = parse(text)

    assert tree is not None
    assert [issue.code for issue in issues] == ["MP101"]
    assert [(row.source, row.relation, row.target) for row in tree.tables[0].rows] == [
        ("a", "equivalent", "b c"), ("12-3", "relatedto", "x"), ("z", "unmatched", None),
    ]  # fmt: skip
    assert [constant.name for constant in tree.constants] == ["one", "nothing"]
    assert tree.groups[0].default == "type+"


FAULTS = {
    "missing semicolon": ("src.a -> tgt.b", "MP106", 3, 15),
    "missing target": ("src.a -> ;", "MP101", 3, 10),
    "open quote": ("src.a -> tgt.b = 'x;", "MP104", 3, 18),
    "strange sign": ("src.a -> tgt.b = €;", "MP103", 3, 18),
    "no count": ("src.a 1.5..2 as a -> tgt.b = a;", "MP101", 3, 7),
    "no upper count": ("src.a 1..2L as a -> tgt.b = a;", "MP101", 3, 10),
    "faulty expression": ("src.a -> tgt.b = (1 + );", "FP110", 3, 23),
}


@pytest.mark.parametrize(("rules", "code", "line", "column"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_at_its_place(rules: str, code: str, line: int, column: int) -> None:
    """The first fault of a map has the line and column where a person would look."""
    _, issues = parse(group(rules))

    assert next((issue.code, issue.line, issue.column) for issue in issues) == (code, line, column)


def test_every_fault_of_a_file_is_told_in_one_reading() -> None:
    """A fault in one rule hides none in the next."""
    _, issues = parse(group("src.a -> ;\nsrc.b -> tgt.c;\nsrc.d tgt.e;\nsrc.f -> tgt.g = (;"))

    assert [issue.line for issue in issues] == [3, 5, 6]


def test_a_rule_without_a_name_after_a_group_is_read() -> None:
    """The published grammar makes the name of a rule optional, so it is not demanded."""
    tree, issues = parse(group("src.a as a -> tgt.b as b then G(a, b);"))

    assert tree is not None
    assert not issues


@pytest.mark.parametrize(
    "text", ["", "\ufeff", "group", "group G(", "{", "}" * 50, "{" * 5000, "/// a", "let a"]
)
def test_no_text_makes_the_parser_fail(text: str) -> None:
    """Whatever the text, the answer is a tree or issues."""
    tree, issues = parse(text)

    assert tree is None or issues is not None


@pytest.mark.parametrize("path", sorted(folder("mappings").rglob("*.map")), ids=lambda path: path.stem)
def test_shipped_maps_survive_printing(path: Path) -> None:
    """What we ship can be formatted without a change of meaning."""
    tree, _ = parse(path.read_text("utf-8"))
    assert tree is not None

    again, issues = parse(print_map(tree))

    assert (again, issues) == (tree, [])
