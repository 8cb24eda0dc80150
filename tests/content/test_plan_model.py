"""The logical model of the asiakassuunnitelma XML says neither more nor less than the map reads."""

from __future__ import annotations

from functools import cache
from xml.etree import ElementTree as Tree

import pytest

from adapter.shipped import folder
from tests.content.conftest import read
from tests.content.plans import PLAN_CASES, PlanCase

MODEL = read(folder("profiles") / "logical" / "asiakassuunnitelma.json")
ROOT = MODEL["differential"]["element"][0]["path"]
ELEMENTS = {each["path"].removeprefix(f"{ROOT}."): each for each in MODEL["differential"]["element"][1:]}
NAMESPACE = "{https://silta.example/fhir/xml/asiakassuunnitelma}"
CASES = [case for case in PLAN_CASES if case.map == "plan-from-finnish-xml"]


def _paths(element: Tree.Element, at: str = "") -> list[tuple[str, str]]:
    """Yield path and way of writing of everything below an element: attribute, text or element."""
    found = [(f"{at}{name}", "xmlAttr") for name in element.keys()]  # noqa: SIM118 (an Element is no dict)
    if element.text and element.text.strip() and f"{at}xmlText" in ELEMENTS:
        found.append((f"{at}xmlText", "xmlText"))
    for child in element:
        path = f"{at}{child.tag.removeprefix(NAMESPACE)}"
        found += [(path, ""), *_paths(child, f"{path}.")]
    return found


@cache
def _written(name: str) -> list[tuple[str, str]]:
    case = next(case for case in CASES if case.name == name)
    return _paths(Tree.fromstring(case.source.read_text("utf-8")))  # noqa: S314 (our own files)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_document_holds_to_its_model(case: PlanCase) -> None:
    """No fixture uses a name, or writes one in a way, that the model does not know."""
    strange = [
        (path, how)
        for path, how in _written(case.name)
        if ELEMENTS.get(path, {"representation": ["-"]}).get("representation", [""]) != [how]
    ]

    assert strange == []


def test_the_fixtures_use_all_of_the_model() -> None:
    """Every element, attribute and text of the format is written by some fixture."""
    used = {path for case in CASES for path, _ in _written(case.name)}

    assert sorted(set(ELEMENTS) - used) == []


def test_the_map_reads_every_name_of_the_model() -> None:
    """A name of the model that no rule reads would be lost in silence."""
    text = (folder("mappings") / "plan-from-finnish-xml.map").read_text("utf-8")
    names = {path.rpartition(".")[2] for path in ELEMENTS}

    assert sorted(name for name in names if name not in text) == []
