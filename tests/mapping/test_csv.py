"""Tables as a source tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.errors import Malformed
from adapter.mapping.nodes import leaves, watch
from adapter.mapping.readers.csv import read
from tests.mapping.conftest import to

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping import Map

CSV = 'uses "https://silta.example/fhir/StructureDefinition/csv-table" alias Csv as source\n'


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_each_line_is_a_row_with_the_header_s_names(separator: str) -> None:
    """The separator is told by the header; quotes keep separators and line breaks, empty cells are absent."""
    text = 'a,b,c\n1,"x,\n""y""",\n2,,z\n'.replace(",", separator)

    assert read(text.encode()).root["row"] == [{"a": "1", "b": f'x{separator}\n"y"'}, {"a": "2", "c": "z"}]


def test_lines_with_the_same_key_become_one_row() -> None:
    """A heap of lines becomes a tree."""
    root = read(b"id,item\n1,a\n1,b\n2,c\n", key=["id"]).root

    assert root["row"] == [
        {"id": "1", "item": "a", "lines": [{"id": "1", "item": "b"}]},
        {"id": "2", "item": "c"},
    ]


def test_a_map_says_which_lines_belong_together(one: Callable[[str], Map]) -> None:
    """`//! reads key=...` gives the map one row where lines agree in these columns."""
    loaded = one(
        "//! reads key=id,day\n" + CSV + to("Bundle")
        + "group G(source src : Csv, target tgt : Bundle) {\n"
        + "  src.row as row -> tgt.link as l, l.relation = (%row.item.combine(%row.lines.item).join('+'));\n"
        + "}\n"
    )  # fmt: skip
    body = b"id,day,item\n1,x,a\n1,y,b\n1,x,c\n2,x,d\n"

    made = loaded.run(body, media_type="text/csv").resources[0]

    assert [link["relation"] for link in made["link"]] == ["a+c", "b", "d"]


def test_a_line_of_another_length_is_an_issue() -> None:
    """Nothing of a long or short line is lost silently."""
    assert [(issue.code, issue.line) for issue in read(b"a,b\n1\n1,2,3\n").issues] == [
        ("SR302", 2),
        ("SR302", 3),
    ]


def test_cells_beyond_the_header_are_kept() -> None:
    """What has no column has a name by its number, so that the accounting lists it."""
    assert read(b"a,b\n1,2,3,,5\n").root["row"] == [{"a": "1", "b": "2", "column3": "3", "column5": "5"}]


def test_charset_and_byte_order_mark() -> None:
    """A mark in front is no part of the first name; another charset must be named."""
    assert read("\ufeffä\n1\n".encode()).root["row"] == [{"ä": "1"}]
    assert read("ä\n1\n".encode("cp1252"), charset="WINDOWS-1252").root["row"] == [{"ä": "1"}]
    with pytest.raises(Malformed):
        read("ä\n1\n".encode("cp1252"))


@pytest.mark.parametrize("body", [b"", b"\n", b"a,a\n1,2\n"])
def test_a_table_without_a_good_header_is_refused(body: bytes) -> None:
    """Columns need names of their own."""
    with pytest.raises(Malformed):
        read(body)


def test_places_count_rows() -> None:
    """A cell is named by row and column."""
    tree = read(b"a,b\n1,2\n3,4\n")

    assert [tree.place(node.steps(), key, index) for node, key, index in leaves(watch(tree.root, []))] == [
        "row[1].a", "row[1].b", "row[2].a", "row[2].b",
    ]  # fmt: skip
