"""Code tables: as files, and asked."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import pytest

from adapter.mapping.conceptmap import ConceptMap, ConceptMaps, Unfound, from_csv, from_fhir

CSV = """# a comment
source-system;source-code;target-system;target-code;target-display;equivalence
urn:a;1;urn:t;one;One;
urn:b;1;urn:t;uno;;
;2;urn:t;two;;wider
;2;urn:t;due;;equivalent
;3;urn:t;x;;wider
;3;urn:t;y;;wider
;4;;;;unmatched
"""


def asked(table: ConceptMap, code: str, system: str | None = None) -> str | None:
    """The target code, or the finding that says why there is none."""
    try:
        return ConceptMaps().translate(table, code, system).code
    except Unfound as miss:
        return miss.code


ANSWERS = {
    ("1", "urn:a"): "one", ("1", "urn:b"): "uno", ("1", "urn:c"): "CM301", ("1", None): "CM303",
    ("2", None): "due", ("3", None): "CM303", ("4", None): "CM302", ("5", None): "CM301",
}  # fmt: skip


@pytest.mark.parametrize(("question", "answer"), ANSWERS.items())
def test_a_table_answers_one_way_or_says_why_not(question: tuple[str, str | None], answer: str) -> None:
    """System, several targets, no match on purpose, no row: each has its answer."""
    table, issues = from_csv(CSV, "t.csv", "t")
    assert table is not None
    assert not issues

    assert asked(table, *question) == answer


UNMAPPED = {"=": "9", "other": "other"}


@pytest.mark.parametrize(("target", "answer"), UNMAPPED.items())
def test_a_star_row_says_what_happens_to_all_others(target: str, answer: str) -> None:
    """The code as it is, or a fixed one."""
    table, _ = from_csv(f"source-code,target-code\n1,x\n*,{target}\n", "t.csv", "t")
    assert table is not None

    assert (asked(table, "9"), asked(table, "1")) == (answer, "x")


def test_a_concept_map_of_r4_is_read_with_its_unmapped_modes() -> None:
    """JSON tables answer as CSV ones do; one table may hand over to another."""
    first = from_fhir({
        "resourceType": "ConceptMap", "url": "urn:1",
        "group": [{"source": "urn:s", "target": "urn:t", "unmapped": {"mode": "other-map", "url": "urn:2"},
                   "element": [{"code": "a", "target": [{"code": "A", "equivalence": "equal"}]}, {"code": "n"}]}],
    })  # fmt: skip
    second = from_fhir({
        "url": "urn:2", "group": [{"unmapped": {"mode": "fixed", "code": "Z"}, "element": [{"code": "b", "target": [{"code": "B"}]}]}]
    })  # fmt: skip
    tables = ConceptMaps()
    tables.add(first)
    tables.add(second)

    assert [tables.translate(first, code, "urn:s").code for code in "abc"] == ["A", "B", "Z"]
    assert asked(first, "n", "urn:s") == "CM302"


FAULTS = {
    "source-code,taget-code\na,b\n": ["CM101"],
    "target-code\nb\n": ["CM101"],
    "source-code,target-code,equivalence\na,b,same\na,,\n": ["CM103", "CM102"],
}


@pytest.mark.parametrize(("text", "codes"), FAULTS.items())
def test_a_faulty_table_is_told_line_by_line(text: str, codes: list[str]) -> None:
    """Columns and rows that cannot be right are all named."""
    table, issues = from_csv(text, "t.csv", "t")

    assert (table, [issue.code for issue in issues]) == (None, codes)
