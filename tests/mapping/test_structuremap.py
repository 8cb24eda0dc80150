"""Maps as StructureMap and back."""

# ruff: noqa: E501 (a map reads best as it stands)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.cli import main
from adapter.fhir import json as fhir_json
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.structuremap import TEXT, from_structure_map, structure_map_text, to_structure_map
from adapter.mapping.mapset import MapSet, check
from adapter.shipped import folder as shipped
from tests.mapping.conftest import JSON, to
from tests.mapping.test_parser import READ, group
from tests.shipped import validator as shipped_validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.fml.tree import MapFile
    from adapter.validation import Validator

MORE = {
    "constants": "let a = {};\nlet b_c = 'x';\n" + group("src -> tgt.a = b_c;"),
    "a table": 'conceptmap "#t" {\n  prefix s = "urn:s"\n  prefix t = "urn:t"\n  unmapped for s = provided\n  s:a == t:b\n  s:"c d" --\n}\n'
    + group("src.a as a -> tgt.b = translate(a, '#t', 'code');"),
    "metadata": "/// url = 'urn:m'\n/// name = 'm'\n/// status = 'draft'\n/// experimental = true\n/// title = 'It\\'s'\ngroup G(source a, target b) {\n}\n",
    "names that are no id": group('src.a_b as v_1 -> tgt.b = v_1 "a name with blanks";').replace("G(", "G_1("),
    "extends and types": group("src -> tgt.a = 1;") + "group H(source src : `a b`, target t : Bundle.entry) extends G <<type+>> {\n}\n",
    "empty text": group("src -> tgt.a = '', tgt.b = append('', 'x');"),
    "imports": 'uses "urn:x" as source\nuses "urn:y" alias Y as target\nimports "urn:*"\n' + group("src -> tgt.a = 1;"),
    "calls with values": group("src -> tgt.a as a then H(src, 'x', (a.b), 1), I(a);"),
    "numbers": group("src -> tgt.a = 1.50, tgt.b = -2, tgt.c = false, tgt.d = @T10:00, tgt.e = qty(1.0, 'mg');"),
}  # fmt: skip
TEXTS = {**{name: group(rules) for name, rules in READ.items()}, **MORE}


def read(text: str) -> MapFile:
    """Parse a map that has no fault."""
    tree, issues = parse(text)
    assert tree is not None, issues
    assert not issues
    return tree


def there_and_back(tree: MapFile) -> MapFile | None:
    """Write a map as StructureMap bytes and read them."""
    return from_structure_map(fhir_json.read(fhir_json.write(to_structure_map(tree))))[0]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def validator() -> Validator:
    """R4 and our own profiles."""
    return shipped_validator()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_map_written_as_structure_map_is_read_back(text: str) -> None:
    """Whatever R4 can hold of it, the tree is the same."""
    tree = read(text)

    assert there_and_back(tree) == tree


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_written_is_an_r4_structure_map(validator: Validator, text: str) -> None:
    """The validator finds no error in it."""
    resource: Any = fhir_json.read(fhir_json.write(to_structure_map(read(text))))

    assert [issue for issue in validator.validate(resource) if issue.is_error] == []


@pytest.mark.parametrize("path", sorted(shipped("mappings").rglob("*.map")), ids=lambda path: path.name)
def test_our_own_maps_go_out_and_come_back(validator: Validator, path: Path) -> None:
    """Each shipped map is a valid StructureMap that says the same."""
    tree = read(path.read_text("utf-8"))

    resource: Any = fhir_json.read(fhir_json.write(to_structure_map(tree)))

    assert from_structure_map(resource)[0] == tree
    assert [issue for issue in validator.validate(resource) if issue.is_error] == []


@pytest.mark.corpus
def test_the_maps_of_the_corpus_go_out_and_come_back(corpus: Path, validator: Validator) -> None:
    """Public maps, too."""
    for path in sorted((corpus / "fhir-mapping-language").glob("*.map.txt")):
        tree = read(path.read_text("utf-8"))
        resource: Any = fhir_json.read(fhir_json.write(to_structure_map(tree)))
        assert from_structure_map(resource)[0] == tree, path.name
        assert [issue for issue in validator.validate(resource) if issue.is_error] == [], path.name


def test_text_stands_beside_only_where_r4_cannot_say_it() -> None:
    """A plain map needs no extension at all."""
    tree = read(
        "/// url = 'urn:m'\n/// name = 'm'\n/// status = 'active'\n"
        "group G(source src, target tgt) {\n"
        "  src.a as a where (a.b = 'x') -> tgt.b = truncate(a, 5) as b then H(a, b) \"n\";\n}\n"
    )

    assert TEXT not in json.dumps(to_structure_map(tree))


def test_a_structure_map_from_elsewhere_is_read() -> None:
    """Elements alone are enough; the reference engine's `vvv` means a simple rule."""
    resource = {
        "resourceType": "StructureMap", "url": "urn:m", "name": "m", "status": "draft",
        "structure": [{"url": "urn:s", "mode": "source", "alias": "S"}],
        "group": [{
            "name": "G", "typeMode": "none",
            "input": [{"name": "s", "mode": "source", "type": "S"}, {"name": "t", "mode": "target"}],
            "rule": [
                {
                    "name": "one",
                    "source": [{"context": "s", "element": "a", "variable": "vvv"}],
                    "target": [{"context": "t", "contextType": "variable", "element": "b", "variable": "vvv", "transform": "create"}],
                },
                {
                    "name": "two",
                    "source": [{"context": "s", "element": "c", "min": 0, "max": "1", "variable": "x", "condition": "x.y"}],
                    "target": [{"context": "t", "element": "d", "transform": "copy", "parameter": [{"valueId": "x"}]}],
                    "rule": [{"name": "in", "source": [{"context": "x"}]}],
                },
            ],
        }],
    }  # fmt: skip

    assert structure_map_text(resource).splitlines()[3:] == [
        'uses "urn:s" alias S as source',
        "group G(source s : S, target t) {",
        's.a -> t.b "one";',
        "s.c 0..1 as x where (x.y) -> t.d = x then  {",
        'x "in";',
        '} "two";',
        "}",
    ]


def test_a_map_that_lends_its_tables_needs_no_group() -> None:
    """R4 demands one, which would be a group that nobody wrote."""
    tree = read(
        'map "urn:m" = "m"\nconceptmap "#t" {\n  prefix s = "urn:s"\n  prefix t = "urn:t"\n  s:1 = t:"2-1"\n}\n'
    )

    assert there_and_back(tree) == tree


def test_a_structure_map_without_groups_is_said_to_be_none(folder: Callable[..., Path]) -> None:
    """A resource that cannot be read is a fault of its file."""
    (issue,) = check(folder({"m.json": '{"resourceType": "StructureMap", "url": "urn:m"}'}))[1]

    assert (issue.code, issue.at) == ("MP111", "m.json")


def test_an_exported_map_runs_as_the_text_does(folder: Callable[..., Path], tmp_path: Path) -> None:
    """Pragmas, constants and names come along, so that `auto` finds it and accounting is the same."""
    text = (
        "/// url = 'urn:p'\n/// name = 'p'\n//! accepts sex.exists()\n" + JSON + to("Patient")
        + "let kind = 'male';\ngroup G(source src : Json, target tgt : Patient) {\n"
        "  src.sex as s_x where (s_x = 'f') -> tgt.gender = kind;\n}\n//! ignore more: not for us\n"
    )  # fmt: skip
    source = b'{"sex": "f", "more": 1}'
    output = tmp_path / "out" / "p.json"
    output.parent.mkdir()

    code = main(
        ["map", "export", "--map", "p", "--maps", str(folder({"p.map": text})), "--output", str(output)]
    )

    outcome = MapSet.load(output.parent).run(source, media_type="application/json", lineage=True)
    assert (code, outcome.resources) == (0, [{"resourceType": "Patient", "gender": "male"}])
    assert outcome.accounting is not None
    assert outcome.accounting.counts["ignored"] == 1
