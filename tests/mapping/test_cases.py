"""Cases beside the maps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter.cli import main
from adapter.errors import ConfigurationError
from adapter.mapping.cases import cases, differences, judge, numbered
from adapter.mapping.mapset import MapSet
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAP = (
    "/// url = 'urn:p'\n/// name = 'p'\n//! accepts sex.exists()\n" + JSON + to("Patient")
    + "group G(source src : Json, target tgt : Patient) {\n  src.sex as s -> tgt.gender = s;\n"
    "  src.born as b -> tgt.birthDate = cast(b, 'date');\n  src -> tgt.id = uuid();\n}\n"
)  # fmt: skip
SOURCE = '{"sex": "female", "born": "%s", "more": 1}'

EXPECTATIONS = {
    "nothing": ("", "19900101", []),
    "all of it": ('findings = []\nunaccounted = ["/more"]\n[facts]\ngender = ["female"]', "19900101", []),
    "a finding": ('findings = ["MP321", "VA101"]', "nope", []),
    "an unexpected finding": ("findings = []", "nope", ["findings are MP321, expected none"]),
    "a fact that is false": ('[facts]\ngender = ["male"]', "19900101", ["fact gender does not hold"]),
    "a fact that is no FHIRPath": ('[facts]\n"gender..x" = []', "19900101", ["fact gender..x: FP111"]),
    "an open leaf": ("unaccounted = []", "19900101", ["unaccounted leaves differ at /more"]),
}


@pytest.mark.parametrize(("said", "born", "failures"), EXPECTATIONS.values(), ids=EXPECTATIONS)
def test_a_case_says_what_is_not_as_expected(
    folder: Callable[..., Path], said: str, born: str, failures: list[str]
) -> None:
    """Findings, facts and open leaves are held against the outcome."""
    maps = MapSet.load(folder({"p.map": MAP}))
    (case,) = cases(folder({"one.json": SOURCE % born, "one.toml": said}, "cases"))

    assert list(judge(case, maps).failures) == failures


def test_update_writes_what_test_then_holds_to(
    folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A written result holds, until the map changes; then the place is named and no value."""
    maps = folder({"p.map": MAP})
    place = folder({"one.json": SOURCE % "19900101", "one.toml": ""}, "cases")
    arguments = ["map", "test", str(place), "--maps", str(maps)]
    assert main([*arguments, "--update", "--floor", "100"]) == 0
    assert json.loads((place / "expected" / "one.json").read_text())["id"].endswith("000001")
    assert main(arguments) == 0

    folder({"p.map": MAP.replace("= s;", "= 'male';")})

    assert main(arguments) == 1
    assert "one: differs at gender" in capsys.readouterr().out


def test_a_folder_without_cases_is_a_wrong_word(tmp_path: Path) -> None:
    """Nothing to test is not a success."""
    assert main(["map", "test", str(tmp_path)]) == 2


def test_a_case_that_cannot_be_read_is_a_fault(folder: Callable[..., Path]) -> None:
    """A broken description is said by its name."""
    place = folder({"one.json": "{}", "one.toml": "map = "}, "cases")

    with pytest.raises(ConfigurationError) as raised:
        list(cases(place))

    assert (raised.value.code, raised.value.place) == ("MP406", "one.toml")


def test_ids_are_numbered_wherever_they_stand() -> None:
    """A reference follows the entry it points at; other UUIDs stay."""
    mine, other = "11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222"
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": f"urn:uuid:{mine}", "resource": {"id": mine, "x": [f"urn:uuid:{mine}", other]}}
        ],
    }

    one = "00000000-0000-4000-8000-000000000001"
    assert numbered(bundle)["entry"][0] == {
        "fullUrl": f"urn:uuid:{one}", "resource": {"id": one, "x": [f"urn:uuid:{one}", other]},
    }  # fmt: skip


def test_differences_are_named_by_their_paths() -> None:
    """Values, missing and added elements, and lists of another length."""
    expected = {"a": 1, "b": [{"c": "x"}, {"c": "y"}], "d": True, "e": 1}

    found = {"a": 2, "b": [{"c": "z"}], "d": 1, "f": 1}

    assert list(differences(expected, found)) == ["a", "b[0].c", "b (1 items, expected 2)", "d", "e", "f"]
