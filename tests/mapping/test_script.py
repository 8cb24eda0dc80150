"""The Python text that a build is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.mapping.fml.compiler.script import LOOPS_AT_MOST, Script
from adapter.mapping.nodes import SourceTree
from adapter.mapping.readers.json import place
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.mapset import Map

DEEP = 2 * LOOPS_AT_MOST + 1


def test_rules_deeper_than_python_nests_are_run(one: Callable[..., Map]) -> None:
    """Rules inside of each other, more than Python has blocks for, read what is deepest and above."""
    rules = "".join(f"s{at}.a as s{at + 1} then {{ " for at in range(DEEP))
    ends = "".join(f'}} "r{at}";' for at in reversed(range(DEEP)))
    inside = (
        f"s{DEEP}.b as b -> tgt.name as n share one, n.family = b;"
        f"s1.c as c where (%s0.d = 'x') -> tgt.name as n share one, n.text = c;"
    )
    text = f"{JSON}{to('Patient')}group G(source s0 : Json, target tgt : Patient) {{ {rules}{inside}{ends} }}"
    node: dict[str, Any] = {"b": "Esimerkki"}
    for _ in range(DEEP - 1):
        node = {"a": node, "c": "above"}

    outcome = one(text).run_tree(SourceTree({"a": node, "d": "x"}, "json", place), source_id="s")

    assert outcome.resources[0]["name"] == [{"text": "above", "family": "Esimerkki"}]


def test_nothing_of_a_map_gets_into_the_text(one: Callable[..., Map]) -> None:
    """Elements and values of a map that look like Python come out as the texts that they are."""
    odd = '") or exit() #'
    text = (
        f"{JSON}{to('Patient')}group G(source src : Json, target tgt : Patient) {{"
        f" src.`{odd}` as x where ($this = '{odd}') ->"
        f" tgt.language = '{odd}', tgt.name as n, n.family = append(x, '{odd}') \"r\"; }}"
    )

    outcome = one(text).run_tree(SourceTree({odd: odd}, "json", place), source_id="s")

    assert outcome.resources == [
        {"resourceType": "Patient", "language": odd, "name": [{"family": odd + odd}]}
    ]


def test_an_object_has_one_name() -> None:
    """The same object is known by the same numbered name, another by another."""
    script = Script([], 1)

    names = [script.name(one) for one in ("a'", "b", "a'")]

    assert names == ["k0", "k1", "k0"]


def test_what_is_read_and_written_at_once_is_read_again(one: Callable[..., Map]) -> None:
    """A group that gets one element as its source and its target sees what its own rules have put there."""
    rules = "read.text as t -> tgt.prefix = t; src.a as a -> tgt.text = a; read.text as t -> tgt.suffix = t;"
    text = (
        f"{JSON}{to('Patient')}{to('HumanName')}"
        "group G(source src : Json, target tgt : Patient) {"
        '  src -> tgt.name as name then Twice(src, name, name) "r"; }'
        f"group Twice(source src, source read, target tgt : HumanName) {{ {rules} }}"
    )

    outcome = one(text).run_tree(SourceTree({"a": "x"}, "json", place), source_id="s")

    assert outcome.resources[0]["name"] == [{"text": "x", "suffix": ["x"]}]
