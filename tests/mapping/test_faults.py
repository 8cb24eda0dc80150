"""What is wrong with maps and tables, found before anything runs."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import ConfigurationError
from adapter.mapping.mapset import MapSet, check
from adapter.outcome import finding
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = JSON + to("Patient") + "group G(source src : Json, target tgt : Patient) {\n"

FAULTS = {
    "element": ("src.a as a -> tgt.gendre = a;", "MP207", (4, 15), {"element": "gendre", "near": "gender"}),
    "element of a choice": ("src.a as a -> tgt.deceasedQuantity = a;", "MP207", (4, 15), {}),
    "variable": ("src.abc as abc -> tgt.gender = abd;", "MP206", (4, 32), {"variable": "abd", "near": "abc"}),
    "context": ("src.a as a -> tgd.gender = a;", "MP206", (4, 15), {"near": "tgt"}),
    "a source is not written to": ("src.a as a -> src.b = a;", "MP226", (4, 15), {"variable": "src"}),
    "nor is a value": ("src.a as a -> uuid() as u, u.b = a;", "MP226", (4, 28), {"variable": "u"}),
    "source": ("scr.a as a -> tgt.gender = a;", "MP206", (4, 1), {"near": "src"}),
    "variable in FHIRPath": ("src.a as a -> tgt.gender = (%b & 'x');", "MP206", (4, 29), {"variable": "b"}),
    "function": ("src -> tgt.gender = (src.a.frist());", "FP202", None, {}),
    "transform": ("src.a as a -> tgt.gender = trunkate(a, 1);", "MP215", (4, 28), {"near": "truncate"}),
    "refused transform": ("src.a as a -> tgt.gender = escape(a, 'x', 'y');", "MP214", (4, 28), {}),
    "dateOp": ("src.a as a -> tgt.gender = dateOp(a);", "MP214", (4, 28), {}),
    "parameters": ("src.a as a -> tgt.gender = truncate(a);", "MP216", (4, 28), {"wanted": "2", "given": 1}),
    "cast type": ("src.a as a -> tgt.gender = cast(a, 'codde');", "MP217", (4, 28), {"near": "code"}),
    "type": ("src -> tgt.contained = create('Patinet');", "MP201", (4, 31), {"near": "Patient"}),
    "wrong type": ("src -> tgt.name = create('Address');", "MP212", (4, 8), {"type": "Address", "wanted": "HumanName"}),
    "value of a wrong type": ("src.a as a -> tgt.name = cc(a);", "MP212", (4, 15), {}),
    "choice without a type": ("src -> tgt.deceased as d;", "MP213", (4, 8), {"element": "deceased"}),
    "abstract": ("src -> tgt.contained as r;", "MP210", (4, 8), {"type": "Resource"}),
    "list on the way": ("src.a as a -> tgt.name.family = a;", "MP208", (4, 15), {"element": "name"}),
    "group": ("src then Gg(src, tgt);", "MP202", (4, 10), {"near": "G"}),
    "inputs": ("src then G(src);", "MP204", (4, 10), {"wanted": 2, "given": 1}),
    "a value for a target": ("src then G(src, 'x');", "MP205", (4, 17), {"input": "tgt"}),
    "no default group": ("src.a -> tgt.name;", "MP203", (4, 1), {"target": "HumanName"}),
    "concept map": ("src.a as a -> tgt.gender = translate(a, 'urn:x', 'code');", "MP218", (4, 41), {}),
    "complex for text": ("src -> tgt.maritalStatus = 'x';", "MP212", (4, 8), {}),
    "ignore without a reason": ("//! ignore a.b", "MP224", (4, 1), {}),
    "ignore with a condition that is none": ("//! ignore a where (b ..): x", "FP111", (4, 1), {}),
    "reads what no reader has": ("//! reads keys=a", "MP229", (4, 1), {"option": "keys", "known": "key"}),
    "accepts what is no FHIRPath": ("//! accepts a = ", "FP111", None, {}),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "code", "place", "params"), FAULTS.values(), ids=FAULTS)
def test_a_seeded_fault_is_told_at_its_place(
    faults: Callable[..., list],
    rule: str,
    code: str,
    place: tuple[int, int] | None,
    params: dict[str, object],
) -> None:
    """One fault gives one issue, at its line and column, with the nearest name where there is one."""
    found = faults(f"{HEAD}{rule}\n}}\n")

    assert len(found) == 1, found
    if not code.startswith("FP"):
        assert found[0].code == code
    assert place in (None, (found[0].line, found[0].column))
    assert params.items() <= dict(found[0].params).items()
    assert found[0].line == 4


def test_all_faults_of_all_files_come_together(folder: Callable[..., Path]) -> None:
    """Loading raises once, with every fault of syntax and of meaning in every file."""
    place = folder({
        "a.map": "/// url = 'urn:a'\n" + HEAD + "src -> tgt.x = 1;\nsrc -> ;\n}\n",
        "b.map": "/// url = 'urn:b'\nimports 'urn:nowhere'\n" + HEAD + "src -> tgt.active = true;\n}\n",
        "c.csv": "source-code,target-code,equivalence\na,b,same\n,c,\na,d,\na,d,\n",
    })  # fmt: skip

    with pytest.raises(ConfigurationError) as raised:
        MapSet.load(place)

    assert [(issue.at, issue.code, issue.line) for issue in raised.value.issues] == [
        ("a.map", "MP207", 5), ("a.map", "MP101", 6), ("b.map", "MP220", 2),
        ("c.csv", "CM103", 2), ("c.csv", "CM102", 3), ("c.csv", "CM104", 5),
    ]  # fmt: skip


def test_a_library_is_imported_by_wildcard(folder: Callable[..., Path]) -> None:
    """An import with a star finds every map whose url fits."""
    place = folder({
        "a.map": "/// url = 'urn:a'\n/// name = 'a'\nimports 'urn:lib-*'\n" + HEAD + "src.n as n -> tgt.name as m then Part(n, m);\n}",
        "b.map": "/// url = 'urn:lib-b'\n/// name = 'b'\ngroup Part(source s, target t) { s.f as f -> t.family = f; }",
    })  # fmt: skip

    outcome = MapSet.load(place)["a"].run(b'{"n": {"f": "x"}}', media_type="application/json")

    assert outcome.resources[0]["name"] == [{"family": "x"}]


def test_an_untyped_group_is_checked_with_the_types_it_meets(faults: Callable[..., list]) -> None:
    """A wrong element in a group without types is found through its caller."""
    found = faults(
        HEAD
        + "src -> tgt.name as n then Part(src, n);\n}\ngroup Part(source s, target t) { s.f as f -> t.fam = f; }"
    )

    assert [(issue.code, issue.params["near"], issue.line) for issue in found] == [("MP207", "family", 6)]


def test_a_later_folder_overrides_an_earlier_one(folder: Callable[..., Path]) -> None:
    """Maps and tables of a deployment win over the shipped ones, and it is said."""
    text = (
        "/// url = 'urn:a'\n/// name = 'a'\n"
        + HEAD
        + "src.a as a -> tgt.gender = translate(a, 'urn:t', 'code');\n}"
    )
    first = folder(
        {
            "a.map": text.replace("src.a", "src.b"),
            "t.csv": "# url = urn:t\nsource-code,target-code\nx,male\n",
        },
        "one",
    )
    second = folder({"a.map": text, "t.csv": "# url = urn:t\nsource-code,target-code\nx,female\n"}, "two")

    maps = MapSet.load([first, second])

    assert maps["urn:a"].run(b'{"a": "x"}', media_type="application/json").resources[0]["gender"] == "female"
    assert [issue.code for issue in maps.issues] == ["MP230", "MP230"]


def test_a_map_that_is_not_there_is_a_fault_with_the_nearest_name(folder: Callable[..., Path]) -> None:
    """A wrong name on the command line is answered with the right one."""
    maps = MapSet.load(
        folder(
            {
                "a.map": "/// url = 'urn:a'\n/// name = 'notification'\n"
                + HEAD
                + "src -> tgt.active = true;\n}"
            }
        )
    )

    with pytest.raises(ConfigurationError) as raised:
        maps["notificaton"]

    assert raised.value.issue.params["near"] == "notification"


def test_every_code_of_the_room_has_its_words() -> None:
    """Each finding has text and help in three languages."""
    from adapter.outcome import catalogue

    ours = [code for code in catalogue() if code[:2] in ("MP", "SR", "CM")]
    assert len(ours) > 60
    for code in ours:
        entry = finding(code)
        assert {"en", "fi", "sv"} == set(entry.text) == set(entry.help), code


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """A wrong path does not look like an empty set."""
    assert [issue.code for issue in check(tmp_path / "nowhere")[1]] == ["MP405"]


CIRCLES = {
    "itself": "group G(source src : Json, target tgt : Basic) extends G { }",
    "another": "group G(source src : Json, target tgt : Basic) extends H { }\n"
    "group H(source src : Json, target tgt : Basic) extends G { }",
}


@pytest.mark.parametrize("groups", CIRCLES.values(), ids=CIRCLES)
def test_a_group_that_extends_itself_is_found_before_it_runs(
    faults: Callable[..., list[Any]], groups: str
) -> None:
    """A circle of extensions would never end."""
    found = faults(JSON + to("Basic") + groups)

    assert {issue.code for issue in found} == {"MP227"}


def test_a_group_without_inputs_lends_its_rules_to_those_that_extend_it(
    faults: Callable[..., list[Any]],
) -> None:
    """Older maps extend `group Any()`, whose rules name the inputs of whoever extends it."""
    found = faults(
        JSON + to("Basic") + "group G(source source : Json, target target : Basic) extends Any { }\n"
        "group Any() { source.id as id -> target.id = id; }"
    )

    assert found == []
