"""Names and addresses of CDA: read with the `item` of HL7's model or without, as a map has it."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping.fml.structuremap import from_structure_map, to_structure_map
from adapter.mapping.loading import check
from tests.mapping.conftest import to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.map import Map

CDA = "http://hl7.org/cda/stds/core/StructureDefinition"
SOURCE = b"""<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole>
<addr use="HP"><streetAddressLine>Koekatu 1</streetAddressLine><city>Koekyl\xc3\xa4</city></addr>
<patient><name use="L"><given>Testi</given><family>Esimerkki</family><given>Anna</given></name></patient>
</patientRole></recordTarget></ClinicalDocument>"""
"""An invented person."""
HEAD = (
    "/// url = 'urn:test:items'\n/// name = 'items'\n"
    f'uses "{CDA}/ClinicalDocument" alias ClinicalDocument as source\n'
    + to("Patient")
    + "group Doc(source cda : ClinicalDocument, target tgt : Patient) {\n"
    "  cda.recordTarget as target then { target.patientRole as role then {\n"
)
WAYS = {
    "item": 'role.patient as p then { p.name as n -> tgt.name as t then { n.item as i then { i.family as f -> t.family = f "f"; i.given as g -> t.given = g "g"; } "i"; } "n"; } "p"; '
    'role.addr as a -> tgt.address as t then { a.item as item then { item.city as c -> t.city = c "c"; } "i"; } "a";',
    "plain": 'role.patient as p then { p.name as n -> tgt.name as t then { n.family as f -> t.family = f "f"; n.given as g -> t.given = g "g"; } "n"; } "p"; '
    'role.addr as a -> tgt.address as t then { a.city as c -> t.city = c "c"; } "a";',
    "path": "role.patient as p then { p.name as n -> tgt.name as t, t.family = (n.item.family.xmlText), t.given = (n.item.given.xmlText) \"n\"; } \"p\"; "
    'role.addr as a where (item.city.exists()) -> tgt.address as t then { a.item.city as c -> t.city = c "c"; } "a";',
}  # fmt: skip
EXPECTED = {"name": [{"family": "Esimerkki", "given": ["Testi", "Anna"]}], "address": [{"city": "Koekylä"}]}


@pytest.fixture(params=["no model", "the model of HL7"])
def load(request: pytest.FixtureRequest, folder: Callable[..., Path]) -> Callable[[str], Map]:
    """Load a map beside HL7's model of CDA, or without it."""
    packages: list[Any] = []
    if request.param != "no model":
        from adapter.fhir.packages import load as package

        packages = [
            package(request.getfixturevalue("corpus") / "cda-definitions" / "hl7.cda.uv.core-2.0.1-sd.tgz")
        ]

    def loaded(rules: str) -> Map:
        maps, issues = check(folder({"a.map": f'{HEAD}{rules} }} "role"; }} "target";\n}}\n'}), packages)
        assert [issue.code for issue in issues if issue.is_error] == []
        return maps[0]

    return loaded


@pytest.mark.parametrize("rules", WAYS.values(), ids=WAYS)
def test_a_name_is_read_in_either_form(load: Callable[[str], Map], rules: str) -> None:
    """By a rule for each part, or by a path."""
    outcome = load(rules).run(SOURCE, media_type="application/xml", lineage=True)

    assert outcome.issues == []
    assert {key: outcome.resources[0].get(key) for key in EXPECTED} == EXPECTED
    assert outcome.accounting is not None
    assert len(outcome.accounting.of("mapped")) == 4


def test_a_map_goes_out_as_it_is_written(folder: Callable[..., Path]) -> None:
    """What other engines read is the map, not our reading of it."""
    maps, _ = check(folder({"a.map": f'{HEAD}{WAYS["item"]} }} "role"; }} "target";\n}}\n'}))

    made = to_structure_map(maps[0].file)

    assert '"element": "item"' in json.dumps(made)
    assert from_structure_map(made, "a.map")[0] == maps[0].file.original
