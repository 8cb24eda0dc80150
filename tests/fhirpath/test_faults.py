"""What is refused before it runs: the code, the place, and the name that was probably meant."""

from __future__ import annotations

import pytest

from adapter.errors import AdapterError, TooCostly
from adapter.fhirpath import compile_expression, parse, parse_prefix
from adapter.fhirpath.tree import Member


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "FP110", (1, 1)),
        ("name ?", "FP101", (1, 6)),
        ("'open", "FP102", (1, 1)),
        ("1 /* open", "FP102", (1, 3)),
        ("name.`open", "FP102", (1, 6)),
        (r"'a\x'", "FP103", (1, 1)),
        ("@2012-13-01", "FP104", (1, 1)),
        ("@T25:00", "FP104", (1, 1)),
        ("1\n  + name.where(1 2)", "FP105", (2, 18)),
        ("a[1", "FP109", (1, 4)),
        ("name name", "FP106", (1, 6)),
        ("@T10:30Z", "FP106", (1, 8)),
        ("a.where(", "FP110", (1, 9)),
        ("1 +", "FP110", (1, 4)),
        ("and", "FP110", (1, 1)),
        ("a.", "FP111", (1, 3)),
        ("a.1", "FP111", (1, 3)),
        ("% x y", "FP106", (1, 5)),
        ("x is 1", "FP111", (1, 6)),
        ("1 + " + "1" * 5_000, "FP112", (1, 5)),
    ],
)
def test_a_syntax_fault_names_its_place(text: str, code: str, place: tuple[int, int]) -> None:
    """What cannot be read is refused with the line and column it begins at."""
    with pytest.raises(AdapterError) as fault:
        parse(text)

    assert (fault.value.code, (fault.value.issue.line, fault.value.issue.column)) == (code, place)


@pytest.mark.parametrize(
    ("text", "code", "nearest"),
    [
        ("name.givn", "FP203", "given"),
        ("name.first().gven.first()", "FP203", "given"),
        ("birthdate", "FP203", "birthDate"),
        ("name.given.frist()", "FP201", "first"),
        ("Observation.status", "FP203", "-"),
        ("deceasedBoolean", "FP203", "deceased"),
        ("contact.name.where(familly = 'x')", "FP203", "family"),
        ("name is HumenName", "FP204", "HumanName"),
        ("%recource.id", "FP205", "resource"),
        ("defineVariable('abc').select(%abd)", "FP205", "abc"),
    ],
)
def test_a_name_that_is_not_known_comes_with_the_nearest(text: str, code: str, nearest: str) -> None:
    """A misspelt element, function, type or variable is told with the name that was probably meant."""
    with pytest.raises(AdapterError) as fault:
        compile_expression(text, context="Patient")

    assert (fault.value.code, fault.value.issue.params["nearest"]) == (code, nearest)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name.first(1)", "FP202"),
        ("name.where()", "FP202"),
        ("name.ofType('HumanName')", "FP206"),
        ("children().first()", "FP207"),
        ("descendants()[0]", "FP207"),
        ("name.startsWith('a')", "FP208"),
        ("active.length()", "FP208"),
        ("iif('a', 1, 2)", "FP208"),
        ("gender.abs()", "FP208"),
        ("defineVariable('a').defineVariable('a')", "FP209"),
        ("defineVariable('context')", "FP209"),
        ("defineVariable(id)", "FP210"),
        ("$index", "FP211"),
        ("$total", "FP211"),
        ("(deceased as Period)", "FP212"),
        ("-gender", "FP213"),
        ("gender > 1", "FP214"),
        ("active + 1", "FP214"),
    ],
)
def test_what_its_type_cannot_do_is_refused_by_the_compiler(text: str, code: str) -> None:
    """With a known type, an operation that can never work is refused before there is a resource."""
    with pytest.raises(AdapterError) as fault:
        compile_expression(text, context="Patient")

    assert fault.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000 + "1" + ")" * 5_000,
        "-" * 5_000 + "1",
        "a[" * 5_000 + "0" + "]" * 5_000,
        "f(" * 5_000 + ")" * 5_000,
        ".".join(["a"] * 20_000),
        "+".join(["1"] * 20_000),
        "a" * 100_000,
        "iif(true, " * 60 + "1" + ", 1)" * 60,
        "where(a." * 60 + "b" + ")" * 60,
    ],
)
def test_depth_is_refused_or_taken_but_never_exhausts_the_stack(text: str) -> None:
    """However deep an expression nests, the answer is a result or our own refusal."""
    try:
        found = compile_expression(text)({"a": 1})
    except AdapterError as fault:
        found = [fault.code]

    assert isinstance(found, list)


def test_depth_beyond_the_limit_names_the_limit() -> None:
    """Brackets nested too deeply are refused as too costly."""
    with pytest.raises(TooCostly) as fault:
        parse("(" * 65 + "1" + ")" * 65)

    assert fault.value.code == "FP107"


def test_long_chains_of_operators_are_fine() -> None:
    """Five hundred alternatives in a row are no nesting."""
    expression = compile_expression(" or ".join(f"a = {number}" for number in range(500)))

    assert expression({"a": 499}) == [True]


def test_messages_never_show_what_stands_in_quotes() -> None:
    """A string in an expression may be somebody's data, so a fault beside it does not repeat it."""
    with pytest.raises(AdapterError) as fault:
        parse("name 'Salainen'")

    assert "Salainen" not in str(fault.value)


def test_a_nest_of_projections_compiles_in_no_time() -> None:
    """Each argument is compiled once, however deep it stands."""
    text = "repeat(" * 60 + "a" + ")" * 60

    assert compile_expression(text)({"a": {"b": 1}}) == [{"b": 1}]


@pytest.mark.parametrize(
    ("text", "start", "rest"),
    [
        ("src.name where (a = 1) log", 15, "log"),
        ("name.first() ; tgt.x", 0, "; tgt.x"),
        ("  a + b ; c", 0, "; c"),
        ("a.where(b is c) as v", 0, ""),
        ("x) then", 0, ") then"),
    ],
)
def test_a_prefix_ends_where_the_language_around_it_goes_on(text: str, start: int, rest: str) -> None:
    """An expression inside another language is read as far as it goes."""
    _, end = parse_prefix(text, start)

    assert text[end:].strip() == rest


def test_a_stop_word_ends_a_prefix_outside_of_brackets() -> None:
    """The mapping language's `as` is its own when it says so."""
    tree, end = parse_prefix("a as b", 0, stops=frozenset({"as"}))

    assert (tree, end) == (Member(target=None, name="a"), 1)
