"""Lineage as a page, and as Provenance."""

# ruff: noqa: E501 (a map reads best as it stands)

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from lxml import html

from adapter.cli import main
from adapter.fhir import json as fhir_json
from adapter.mapping import readers
from adapter.mapping.page import page
from adapter.mapping.provenance import TARGET_PATH, provenance
from tests.mapping.conftest import JSON, to
from tests.shipped import validator as shipped_validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAP = (
    JSON + to("Bundle") + to("Patient")
    + "group G(source src : Json, target bundle : Bundle) {\n"
    '  src -> bundle.type = \'collection\', bundle.entry as e, e.resource = create(\'Patient\') as p, e.fullUrl = pointer(p) then P(src, p) "patient";\n}\n'
    "group P(source src, target p : Patient) {\n"
    '  src.sex as s -> p.gender = s "sex";\n  src.dead as d -> p.deceased = d "dead";\n'
    '  src.name as n -> p.name as t, t.text = append(n.first, \' \', n.last) "name";\n}\n'
)  # fmt: skip
SOURCE = b'{"sex": "female", "dead": true, "name": {"first": "<b>&", "last": "Esimerkki"}, "more": "left"}'


@pytest.fixture
def outcome(one: Callable[..., Any]) -> Any:
    """A run with lineage."""
    return one(MAP).run(SOURCE, media_type="application/json", lineage=True)


@pytest.fixture
def drawn(outcome: Any) -> Any:
    """The page, read by an HTML parser."""
    return html.document_fromstring(page(readers.read(SOURCE, "application/json"), outcome))


def _linked(drawn: Any, side: int, text: str) -> set[str]:
    found = next(p for p in drawn.findall(".//section")[side].findall("p") if text in p.text_content())
    return set((found.get("data-l") or "").split())


PAIRS = {
    "a code": ("/sex", '"gender"'),
    "a choice": ("/dead", '"deceasedBoolean"'),
    "one of two": ("/name/last", "Esimerkki"),
    "the other of two": ("/name/first", "Esimerkki"),
}


@pytest.mark.parametrize(("source", "result"), PAIRS.values(), ids=PAIRS)
def test_source_and_result_share_a_link(drawn: Any, source: str, result: str) -> None:
    """What was made of what lights together."""
    assert _linked(drawn, 0, source) & _linked(drawn, 1, result)


def test_what_no_rule_reads_is_shown_as_such(drawn: Any) -> None:
    """An open leaf stands there, without a link."""
    left = next(p for p in drawn.iter("p") if "/more" in p.text_content())

    assert (left.get("class"), left.get("data-l")) == ("unaccounted", None)


def test_content_is_text_and_never_markup(drawn: Any) -> None:
    """What a sender writes cannot become a part of the page."""
    assert drawn.find(".//b") is None
    assert "<b>&" in drawn.text_content()


def test_the_page_asks_nobody_for_anything(outcome: Any) -> None:
    """No address outside of the content, and a policy that forbids it."""
    text = page(readers.read(SOURCE, "application/json"), outcome)

    assert "default-src 'none'" in text
    assert not re.search(r"\b(src|href|action)=|@import|url\(", text)


def test_provenance_names_rules_and_places_and_no_value(outcome: Any) -> None:
    """Each element is a target by its path, each place an entity; the Bundle is valid R4."""
    made: Any = provenance(
        outcome.lineage,
        outcome.resources[0],
        source_id="s",
        map_url="urn:test:the",
        recorded="2026-03-01T12:00:00Z",
    )

    said = fhir_json.write(made).decode()
    entry = outcome.resources[0]["entry"][0]
    gender = next(one["resource"] for one in made["entry"] if '"gender"' in fhir_json.write(one).decode())
    assert gender["target"] == [
        {
            "extension": [{"url": TARGET_PATH, "valueString": "gender"}],
            "type": "Patient",
            "reference": entry["fullUrl"],
        }
    ]
    assert [one["what"]["identifier"]["value"] for one in gender["entity"]] == ["/sex"]
    assert "Esimerkki" not in said


def test_provenance_is_valid_and_names_the_version_of_the_map(outcome: Any) -> None:
    """The validator finds no error; the version stands beside the map's url."""
    made: Any = provenance(
        outcome.lineage,
        outcome.resources[0],
        source_id="s",
        map_url="urn:test:the",
        map_version="ab" * 32,
        recorded="2026-03-01T12:00:00Z",
    )

    policies = {tuple(entry["resource"]["policy"]) for entry in made["entry"]}
    assert policies == {("urn:test:the", f"nih:sha-256;{'ab' * 32}")}
    assert [issue for issue in shipped_validator().validate(made) if issue.is_error] == []


@pytest.mark.parametrize(
    ("form", "start"), [("html", b"<!doctype html>"), ("provenance", b'{\n  "resourceType"')]
)
def test_the_command_writes_the_file(
    folder: Callable[..., Path], tmp_path: Path, form: str, start: bytes
) -> None:
    """`--output` takes it, and nothing of the result is printed."""
    maps = folder({"the.map": "/// url = 'urn:t'\n/// name = 'the'\n//! accepts sex.exists()\n" + MAP})
    source, output = tmp_path / "s.json", tmp_path / "out"
    source.write_bytes(SOURCE)

    code = main(
        [
            "map",
            "run",
            str(source),
            "--map",
            "auto",
            "--maps",
            str(maps),
            "--lineage",
            form,
            "--output",
            str(output),
        ]
    )

    assert (code, output.read_bytes()[: len(start)]) == (0, start)


def test_output_without_a_form_is_a_wrong_word(folder: Callable[..., Path], tmp_path: Path) -> None:
    """`--output` alone would print and write nothing."""
    (tmp_path / "s.json").write_bytes(SOURCE)
    maps = folder({"the.map": "/// url = 'urn:t'\n/// name = 'the'\n" + MAP})

    arguments = ["map", "run", str(tmp_path / "s.json"), "--map", "the", "--maps", str(maps)]

    assert main([*arguments, "--output", str(tmp_path / "out")]) == 2
