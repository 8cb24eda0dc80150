"""Two builds of one map: the plain one, which joins rules, gives what the traced one gives rule by rule."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.mapping.build import build
from adapter.mapping.conceptmap import ConceptMaps
from adapter.mapping.finish import finished
from adapter.mapping.fml.faults import Faults
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.resolver import Library
from adapter.mapping.map import Map
from adapter.mapping.models import Models
from adapter.mapping.moments import zone_of
from adapter.mapping.nodes import SourceTree
from adapter.mapping.readers.json import place
from adapter.mapping.run import Run
from tests.mapping.conftest import JSON, to

NAMES = ("a", "b", "c", "value")
INNER = (
    "{0}.a as x -> i.value = x;", "{0}.b as x -> i.system = x;", "{0}.c as x -> i.use = copy(x);",
    "{0}.a -> i.use;", "{0}.a as x -> i.value = append(x, '!');", "{0}.value as x -> i.system = x;",
    "{0} -> i.use = 'official';", "{0}.a as x where ($this = 'x') -> i.value = x;",
)  # fmt: skip
OUTER = (
    "src.{0} as s -> tgt.gender = s;", "src.{0} as s -> tgt.active = s;", "src.{0} -> tgt.language;",
    "src.{0} as s -> tgt.deceased = cast(s, 'string');", "src.{0} as s -> tgt.birthDate = s;",
    "src.{0} as s where (a.exists() or b = 'x') -> tgt.name as n, n.given = s;",
    "src.{0} as s -> tgt.name as n, n.given = s, n.given = s, n.use = 'usual';",
    "src.{0} first as s -> tgt.name as n then {{ s.a as x -> n.given = x; s.b as x -> n.given = x; }};",
    "src.{0} as s -> tgt.maritalStatus as m, m.text = s;", "src.{0} as s -> tgt.multipleBirth = s;",
    "src.{0} as s -> tgt.contact as k, k.name as n, n.text = s, k.gender = 'male';",
)  # fmt: skip
RULES = st.lists(
    st.builds(str.format, st.sampled_from(OUTER), st.sampled_from(NAMES))
    | st.builds(
        lambda name, start, inner: (
            f"src.{name} as s -> tgt.identifier as i{start} then {{ {' '.join(inner).format('s')} }};"
        ),
        st.sampled_from(NAMES),
        st.sampled_from(["", ", i.system = 'urn:x'", ", i.value = s", ", i.use = '', i.value = (s.a)"]),
        st.lists(st.sampled_from(INNER), max_size=4),
    ),
    min_size=1,
    max_size=5,
)
LEAVES = st.sampled_from(["x", "y", "", True, 5, None])
SOURCES = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(NAMES), below),
        max_leaves=5,
    ),
)  # fmt: skip


@given(RULES, SOURCES)
@settings(max_examples=60, deadline=None)
def test_both_builds_give_the_same(rules: list[str], source: dict[str, Any]) -> None:
    """Whatever the rules and whatever is sent, results are equal, and so is whether something is wrong."""
    text = "\n".join([
        "/// url = 'urn:t'", JSON + to("Patient"),
        "group G(source src : Json, target tgt : Patient) {", *rules, "}",
    ])  # fmt: skip
    file, issues = parse(text)
    assert file is not None, issues
    models = Models()
    one = Map(file, Library([file], ConceptMaps(), models), models)
    tree = SourceTree(source, "json", place)
    plain = one.run_tree(tree, source_id="s")
    run = Run(one.library.concept_maps, {}, zone_of(None), "s")
    alone = [finished(made) for made in build(file, one.library, models, Faults(), traced=False)(run, source)]
    traced = one.run_tree(tree, source_id="s", lineage=True)

    assert alone == traced.resources == plain.resources
    assert {issue.code for issue in run.issues} == {issue.code for issue in traced.issues}
