"""Places of issues: a plain run tells them as a traced one does, and runs again only what had issues."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.mapping.conceptmap import ConceptMaps
from adapter.mapping.moments import zone_of
from adapter.mapping.run import Run
from tests.mapping.conftest import XML, to

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.map import Map

MAP = (
    XML
    + to("Patient")
    + to("HumanName")
    + to("Identifier")
    + """
group G(source doc : Xml, target tgt : Patient) {
  doc.person as person then Person(person, tgt) "person";
  doc.married as m -> tgt.maritalStatus as status, status.text = (m.code) "married";
}
group Person(source person, target tgt : Patient) {
  person.born as born -> tgt.birthDate = cast(born.value, 'date') "born";
  person.name as n -> tgt.name as name then Name(n, name) "name";
  person.gone as gone check (when.exists()) -> tgt.deceased = cast(gone.when, 'dateTime') "gone";
  person.odd as odd check (part.code = 'x') -> tgt.active = true "odd";
  person.manager as m -> tgt.managingOrganization as org, org.identifier as i then Id(m, i) "manager";
}
group Name(source n, target name : HumanName) {
  n.first as first -> name.given = first "first";
  n.since as since -> name.period as period, period.start = cast(since.value, 'dateTime') "since";
}
group Id(source m, target i : Identifier) {
  m.value as v -> i.value = v "value";
}
"""
)
DOCUMENTS = {
    "below one of several": "<p><person><born value='2000-01-01'/></person><person><born value='x'/></person></p>",
    "in a call in a call": "<p><person><name><first>A</first></name><name><since value='x'/></name></person></p>",
    "in calls beside each other": "<p><person><name><since value='x'/></name><name><since value='y'/></name></person></p>",
    "of two calls that write one element": "<p><person><manager value='1'/></person><person><manager value='2'/></person></p>",
    "of a check": "<p><person><gone/></person><person><born value='x'/><gone when='2000'/></person></p>",
    "of what a check looked at": "<p><person><odd><part code='y'/></odd></person></p>",
    "twice at one place": "<p><person><born value='x'/><born value='x'/></person></p>",
    "in the first group": "<p><married code='a'/><married code='b'/></p>",
    "in text around elements": "<p><person><name>x<first>A</first>y<since value='-'>z</since></name></person></p>",
}  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_issues_have_their_places_without_lineage(one: Callable[..., Map], document: str) -> None:
    """Code, text and place of each are those of a run that traces everything."""
    loaded = one(MAP)
    plain = loaded.run(document.encode(), media_type="application/xml", source_id="x")
    traced = loaded.run(document.encode(), media_type="application/xml", source_id="x", lineage=True)

    assert plain.issues
    assert plain.issues == traced.issues
    assert plain.resources == traced.resources


def test_a_repeated_run_passes_over_calls_without_issues() -> None:
    """The numbers of calls go on as if all of them had been made."""
    first = Run(ConceptMaps(), {}, zone_of(None), "x")
    for number, heard in enumerate((False, True, False)):
        assert first.enter() == number
        before = len(first.heard)
        if heard:
            first.heard.append(("MP321", None, {}))  # type: ignore[arg-type]
        first.leave(number, before)
    again = Run(ConceptMaps(), {}, zone_of(None), "x")
    again.repeat(first)

    assert [again.passes_over(again.enter(), "G") for _ in range(3)] == [True, False, True]
