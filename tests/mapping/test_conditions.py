"""Conditions of the plain kind: whatever is decided without FHIRPath is what FHIRPath says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.errors import AdapterError
from adapter.fhirpath import compile_tree
from adapter.fhirpath.parser import parse
from adapter.mapping.fml.compiler.conditions import UNSURE, question
from adapter.mapping.fml.compiler.expressions import is_true
from adapter.mapping.fml.compiler.scope import Layout, Scope
from adapter.mapping.fml.paths import with_variables
from adapter.mapping.fml.tokens import Text
from adapter.mapping.fml.tree import Group, MapFile
from adapter.mapping.nodes import looked_at, watch
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.map import Map

NAMES = ("a", "b", "value")
LEAVES = st.sampled_from(["x", "y", "", 1, True, None])
TREES = st.recursive(
    LEAVES,
    lambda below: st.dictionaries(st.sampled_from([*NAMES, "_a", "valueString"]), below | st.lists(below)),
    max_leaves=8,
)
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(".".join) | st.sampled_from(
    ["$this", "$this.a", "%v", "%v.a", "a.where(b = 'x')", "a.where($this = 'x').b"]
)
ASKED = st.builds(
    lambda path, rest: path + rest,
    PATHS,
    st.sampled_from([
        " = 'x'", " != 'x'", ".exists()", ".empty()", ".exists().not()", " in ('x' | 'y')", ".count() > 1",
        ".contains('x')", ".startsWith('')", ".endsWith('y').not()",
    ]),
)  # fmt: skip
CONDITIONS = st.recursive(
    ASKED,
    lambda below: st.builds(
        lambda one, word, other: f"({one} {word} {other})", below, st.sampled_from(["and", "or"]), below
    ),
    max_leaves=4,
)


def quick(text: str, focus: Any, variable: Any = None) -> Any:
    """The answer without FHIRPath."""
    file, group = MapFile(url="", name="", text=Text.of("", "")), Group(name="G", inputs=(), rules=())
    scope = Scope(file, group, Layout())
    slot = scope.bind("v", "source").slot
    asked = question(scope, with_variables(parse(text), scope.vars))
    return UNSURE if asked is None else asked([None] * slot + [variable], focus)


def slow(text: str, focus: Any, variable: Any = None) -> bool | None:
    """The answer of FHIRPath; None where it is an error."""
    tree = with_variables(parse(text), {"v"})
    try:
        environment = {"v": [] if variable is None else variable}
        return is_true(compile_tree(tree, ("v",))({} if focus is None else focus, environment))
    except AdapterError:
        return None


@settings(max_examples=50)
@given(CONDITIONS, TREES, TREES)
def test_a_quick_answer_is_the_one_of_fhirpath(text: str, focus: Any, variable: Any) -> None:
    """Over any tree a condition is decided as FHIRPath decides it, or left to FHIRPath."""
    answer = quick(text, focus, variable)

    assert answer is UNSURE or (answer is True) == slow(text, focus, variable)


@pytest.mark.parametrize(
    "text",
    ["a = 'x'", "'x' = a", "a.exists() and b.empty()", "a.where(b = 'x').exists()", "a.b in ('x' | 'y')",
     "a != 'y' or b.count() > 1", "a.contains('x')", "a.startsWith('y').not()", "a.endsWith('x')"],
)  # fmt: skip
def test_plain_conditions_are_quick(text: str) -> None:
    """The conditions that maps are full of are decided without FHIRPath."""
    focus = {"a": [{"b": "x"}] if ".b" in text or "where" in text else "x"}
    answer = quick(text, focus)

    assert answer is not UNSURE
    assert (answer is True) == slow(text, focus)


@settings(max_examples=50)
@given(CONDITIONS, TREES.filter(lambda tree: isinstance(tree, dict)))
def test_a_quick_answer_looks_at_what_fhirpath_looks_at(text: str, focus: Any) -> None:
    """In a watched tree the same leaves are noted, whoever decides."""
    log: list[Any] = []
    watched = watch(focus, log)

    def looked(answer: Any) -> tuple[Any, set[tuple[int, str, int | None]]]:
        log.clear()
        given = answer(text, watched)
        return given, {(id(node), key, index) for node, key, index in looked_at(log) if key is not None}

    (answer, leaves), (_, wanted) = looked(quick), looked(slow)

    assert answer is UNSURE or leaves == wanted


def test_a_pattern_is_matched_once_for_each_text(one: Callable[..., Map]) -> None:
    """A text that comes again gets the answer it had, another one its own."""
    text = (
        JSON
        + to("Patient")
        + """group G(source doc : Json, target tgt : Patient) {
  doc.a as a -> tgt.name as name then {
    a.b as b where (contains('-').not() and matches('^x')) -> name.given = b;
  };
}"""
    )
    body = b'{"a": [{"b": ["x1", "y", "x1"]}, {"b": ["y", "x-", "x2"]}]}'

    assert one(text).run(body, media_type="application/json").resources[0]["name"] == [
        {"given": ["x1", "x1"]},
        {"given": ["x2"]},
    ]
