"""Places of issues: a plain run tells them as a traced one does."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mapping.conftest import JSON, XML, to

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


SEVERAL = [
    (b'{"born": ["2000", "x", "2001", "y"]}', ["/born/1", "/born/3"]),
    (b'{"given": ["A", {"b": 1}, "C", {"d": 2}]}', ["/given/1", "/given/3"]),
    (b'{"married": [{"code": "a"}, {"code": "b"}]}', ["/married/1/code"]),
]


@pytest.mark.parametrize(("body", "places"), SEVERAL)
def test_one_of_several_is_named_by_its_number(
    one: Callable[..., Map], body: bytes, places: list[str]
) -> None:
    """What stands beside others under one name, or fills an element again, is told apart without lineage."""
    loaded = one(
        f"{JSON}{to('Patient')}group G(source src : Json, target tgt : Patient) {{"
        "  src.born as born -> tgt.name as name, name.text = cast(born, 'date');"
        "  src.given as given -> tgt.name as name, name.given = given;"
        "  src.married as m -> tgt.maritalStatus as status, status.text = (m.code);"
        "}"
    )

    outcome = loaded.run(body, media_type="application/json", source_id="x")

    assert [issue.source_field for issue in outcome.issues] == places


def test_what_an_expression_read_of_the_target_is_read_again_as_it_was(one: Callable[..., Map]) -> None:
    """A value chosen by an element that is filled later leads back to the leaf that was chosen then."""
    loaded = one(
        f"{JSON}{to('Patient')}group G(source src : Json, target tgt : Patient) {{"
        "  src -> tgt.language = (iif(%tgt.active.exists(), %src.b, %src.c)), tgt.active = true;"
        "}"
    )

    outcome = loaded.run(b'{"b": "x", "c": "x"}', media_type="application/json", lineage=True)

    assert outcome.accounting.of("mapped") == ["/c"]
