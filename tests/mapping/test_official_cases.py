"""The public cases of the mapping language that the corpus has, and every map in it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.printer import print_map
from adapter.mapping.mapset import MapSet
from tests.mapping.conftest import MODELS

if TYPE_CHECKING:
    from pathlib import Path

CASES = (
    "qr2pat-gender", "qr2pat-humannametwice", "qr2pat-humannameshared", "qr2cda", "qr2cdaxsi", "qr2cda-eval",
)  # fmt: skip


@pytest.mark.corpus
@pytest.mark.parametrize("case", CASES)
def test_the_result_is_the_expected_one(corpus: Path, tmp_path: Path, case: str) -> None:
    """A manifest case gives what the reference engine gives: JSON by value, XML by canonical form."""
    home = corpus / "fhir-mapping-language"
    shutil.copy(home / f"{case}.map.txt", tmp_path / "case.map")
    (one,) = MapSet.load([tmp_path, MODELS])

    outcome = one.run((home / "qr.json").read_bytes(), media_type="application/fhir+json")

    expected = home / f"{case}-res.json"
    if expected.exists():
        assert outcome.resources == [json.loads(expected.read_text("utf-8"))]
    else:
        assert _canonical(outcome.documents[0]) == _canonical((home / f"{case}-res.xml").read_bytes())


def _canonical(document: bytes | None) -> bytes:
    root = etree.fromstring(document, etree.XMLParser(remove_blank_text=True))
    return etree.tostring(root, method="c14n2", strip_text=True)


@pytest.mark.corpus
def test_every_map_of_the_corpus_survives_printing(corpus: Path) -> None:
    """Reading, printing and reading again gives the same tree for every public map."""
    paths = sorted((corpus / "fhir-mapping-language").glob("*.map.txt"))
    assert paths
    for path in paths:
        tree, issues = parse(path.read_text("utf-8"), path.name)
        assert tree is not None, path.name
        assert not issues, path.name
        printed = print_map(tree)
        assert (parse(printed)[0], print_map(parse(printed)[0])) == (tree, printed), path.name  # type: ignore[arg-type]
