"""What must be so for every expression, whoever made it up."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import AdapterError
from adapter.fhir.decimals import ExactDecimal
from adapter.fhirpath import Budget, compile_expression, parse, parse_prefix, print_tree
from tests.fhirpath.expressions import texts, trees

if TYPE_CHECKING:
    from adapter.fhirpath.tree import Tree

MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
VERY_MANY = settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
SMALL = Budget(steps=200_000, seconds=2, output=20_000, text=100_000)

# An invented person.
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [
        {
            "given": ["Testi", None],
            "_given": [None, {"id": "x"}],
            "family": "Henkilö",
            "period": {"start": "2012"},
        }
    ],
    "birthDate": "1970-01-01",
    "_birthDate": {"extension": [{"url": "http://x", "valueDateTime": "1970-01-01T12:00:00+02:00"}]},
    "multipleBirthInteger": 2,
    "extension": [
        {"url": "http://y", "valueQuantity": {"value": ExactDecimal("1.50"), "code": "mg"}},
        {"url": "http://z", "valueQuantity": {"value": ExactDecimal("1e400"), "code": "h"}},
        {"url": "http://z", "valueDecimal": ExactDecimal("-1e-400")},
        {"url": "http://z", "valueInteger": 10**120},
    ],
    "contained": [{"resourceType": "Organization", "id": "o", "active": False}],
    "contact": [{"name": {"family": "Toinen"}}],
}
# A tree of no model, and a resource that is not what it says.
TREE = {"PID": {"f5": [{"c1": "A", "c2": ["B", None]}], "f8": "F"}, "n": [1, ExactDecimal("1e2"), [True]]}
BROKEN = {
    "resourceType": "Patient",
    "name": "no list",
    "active": [1],
    "birthDate": {"a": 1},
    "contact": [None, 3],
}


def answer(text: str, context: str | None) -> None:
    """Evaluate `text` on everything; only our own errors may come."""
    with suppress(AdapterError):
        expression = compile_expression(text, ["given"], context=context)
        for resource in (PATIENT, TREE, BROKEN):
            with suppress(AdapterError):
                assert isinstance(expression(resource, {"given": [1, "x", {"a": 1}]}, budget=SMALL), list)
            with suppress(AdapterError):
                assert isinstance(expression.holds(resource, {"given": 1}, budget=SMALL), bool)


@given(trees)
@MANY
def test_a_printed_tree_reads_as_the_same_tree(tree: Tree) -> None:
    """What the printer writes, the parser reads as the tree it came from."""
    text = print_tree(tree)

    assert parse(text) == parse(print_tree(parse(text)))
    assert parse(text) == tree


@given(trees, st.sampled_from([None, "Patient"]))
@MANY
def test_every_tree_gives_a_result_or_our_own_error(tree: Tree, context: str | None) -> None:
    """No expression of the grammar ends in anything but a list or one of our errors."""
    answer(print_tree(tree), context)


@given(texts, st.sampled_from([None, "Patient"]))
@MANY
def test_every_text_gives_a_result_or_our_own_error(text: str, context: str | None) -> None:
    """No text at all ends in anything but a list or one of our errors."""
    answer(text, context)


@given(texts, st.integers(0, 5))
@MANY
def test_a_prefix_reads_alone_as_it_does_in_its_text(text: str, start: int) -> None:
    """What parse_prefix cuts out of a text is an expression with the same tree."""
    try:
        tree, end = parse_prefix(text, start)
    except AdapterError:
        return

    assert parse(text[start:end]) == tree


@pytest.mark.long
@given(trees, st.sampled_from([None, "Patient"]))
@VERY_MANY
def test_a_hundred_thousand_trees_give_a_result_or_our_own_error(tree: Tree, context: str | None) -> None:
    """The same as above, of fifty times as many."""
    answer(print_tree(tree), context)


@pytest.mark.long
@given(texts, st.sampled_from([None, "Patient"]))
@VERY_MANY
def test_a_hundred_thousand_texts_give_a_result_or_our_own_error(text: str, context: str | None) -> None:
    """The same as above, of fifty times as many."""
    answer(text, context)
