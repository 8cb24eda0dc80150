"""Two versions of a map held against each other."""

# ruff: noqa: E501 (a map reads best as it stands)

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter.cli import main
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAP = (
    "/// url = 'urn:p'\n/// name = 'p'\n//! accepts sex.exists()\n"
    + JSON
    + to("Patient")
    + "group G(source src : Json, target tgt : Patient) {\n"
    '  src.sex as s -> tgt.gender = s "sex";\n  src.born as b -> tgt.birthDate = cast(b, \'date\') "born";\n}\n'
)
SOURCES = {
    "a.json": '{"sex": "female", "born": "19900101"}',
    "b.json": '{"sex": "male", "born": "1990"}',
    "c.json": '{"other": 1}',
    "d.json": '{"sex": ',
}

CHANGES = {
    "nothing": ("", "", []),
    "layout": ("= s ", "=  s  ", []),
    "a value": ("= s ", "= 'other' ", [("result", "Patient.gender", "p.map:7", "p.map:7")]),
    "a rule less": (
        "  src.born as b -> tgt.birthDate = cast(b, 'date') \"born\";\n",
        "",
        [("result", "Patient.birthDate", "p.map:8", None), ("unaccounted", "/born", None, "yes")],
    ),
    "a finding": (
        "src.sex as s ->",
        "src.sex as s check (false) ->",
        [("finding", "MP304 at /sex", None, "yes")],
    ),
    "another door": ("sex.exists()", "sex = 'x'", [("ends", "the source", "a result", "SR002")]),
}


@pytest.mark.parametrize(("was", "becomes", "changes"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_behaviour_is_named_with_its_rules(
    folder: Callable[..., Path],
    capfdbinary: pytest.CaptureFixture[bytes],
    was: str,
    becomes: str,
    changes: list[tuple[str, ...]],
) -> None:
    """What the result, the findings and the open leaves are not any more; a change of layout is none."""
    old, new = folder({"p.map": MAP}, "old"), folder({"p.map": MAP.replace(was, becomes)}, "new")
    corpus = folder(SOURCES, "corpus")

    code = main(["map", "diff", str(old), str(new), "--corpus", str(corpus), "--alone", "--json"])

    said = json.loads(capfdbinary.readouterr().out)
    found = [
        (change["kind"], change["what"], change["old"], change["new"])
        for change in (said["changed"][0]["changes"] if said["changed"] else [])
    ]
    assert (code, found) == (1 if changes else 0, changes)


def test_the_same_change_is_counted_over_all_sources(
    folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Many sources with one change are summed up; what no map takes is not counted as mapped."""
    old, new = folder({"p.map": MAP}, "old"), folder({"p.map": MAP.replace("= s ", "= 'other' ")}, "new")
    corpus = folder(SOURCES, "corpus")

    code = main(["map", "diff", str(old), str(new), "--corpus", str(corpus), "--map", "p", "--alone"])

    said = capsys.readouterr().out.splitlines()
    assert (code, said[-2:]) == (
        1, ["     2 sources: result Patient.gender", "2 of 3 mapped sources differ (4 files)"],
    )  # fmt: skip
    assert "female" not in "".join(said)


def test_no_sources_is_a_wrong_word(folder: Callable[..., Path], tmp_path: Path) -> None:
    """Nothing to compare is not sameness."""
    maps = folder({"p.map": MAP})
    (tmp_path / "none").mkdir()

    assert main(["map", "diff", str(maps), str(maps), "--corpus", str(tmp_path / "none")]) == 2
