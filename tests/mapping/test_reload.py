"""New versions of maps taken over while they are in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from adapter.mapping.mapset import MapSet
from adapter.mapping.reload import Reloader
from adapter.mapping.version import version_of
from tests.mapping.conftest import JSON, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.map import Map

HEAD = "/// url = 'urn:sex'\n/// name = 'sex'\n" + JSON + to("Patient")
BODY = (
    "group G(source src : Json, target tgt : Patient) {\n"
    "  src.sex as s -> tgt.gender = translate(s, 'urn:sexes', 'code') \"sex\";\n}\n"
)
TABLE = "# url = urn:sexes\nsource-code,target-code\nM,male\nF,female\n"
OTHER = (
    "/// url = 'urn:other'\n/// name = 'other'\n"
    + JSON
    + to("Patient")
    + "group G(source a, target b : Patient) "
    '{ a.x as x -> b.language = x "x"; }\n'
)
CASE = 'map = "sex"\nfindings = []\n[facts]\n"gender" = ["male"]\n'
FILES = {
    "sex.map": HEAD + BODY,
    "sexes.csv": TABLE,
    "other.map": OTHER,
    "m.json": '{"sex": "M"}',
    "m.toml": CASE,
}


@pytest.fixture
def site(folder: Callable[..., Path]) -> Callable[..., Reloader]:
    """A deployment's maps in use, and what keeps them."""

    def begin(**needed: tuple[str, ...]) -> Reloader:
        folders = [folder({}, "shipped"), folder(FILES)]
        folders[0].mkdir(exist_ok=True)
        return Reloader(maps=MapSet.load(folders), folders=folders, **needed)

    return begin


def gender(one: Map) -> str:
    return str(one.run(b'{"sex": "M"}', media_type="application/json").resources[0].get("gender"))


def test_what_has_not_changed_is_left_alone(site: Callable[..., Reloader]) -> None:
    """To look again does nothing."""
    reloader = site()
    before = list(reloader.maps)

    assert reloader.reload().outcome == "unchanged"
    assert all(one is other for one, other in zip(before, reloader.maps, strict=True))


CHANGES = {
    "a map": ("sex.map", HEAD + BODY.replace("src.sex as s", "src.sex as s where (s = 'M')"), ("sex",)),
    "a table": ("sexes.csv", TABLE + "X,other\n", ("sex",)),
    "a comment": ("sex.map", HEAD + "// said better\n" + BODY, ("sex",)),
    "a new map": ("third.map", OTHER.replace("other", "third"), ("third",)),
}


@pytest.mark.parametrize(("file", "text", "changed"), CHANGES.values(), ids=CHANGES)
def test_a_new_version_that_passes_is_taken_over(
    site: Callable[..., Reloader], file: str, text: str, changed: tuple[str, ...]
) -> None:
    """The maps that are other than before are named; the cases beside them held."""
    reloader = site()
    (reloader.folders[1] / file).write_text(text)

    found = reloader.reload()

    assert (found.outcome, found.changed, found.cases, found.issues) == ("swapped", changed, 1, ())


def test_only_what_has_changed_is_worked_out_again(site: Callable[..., Reloader]) -> None:
    """A map that sees what it saw before is the same map."""
    reloader = site()
    sex, other = reloader.maps["sex"], reloader.maps["other"]
    (reloader.folders[1] / "sex.map").write_text(HEAD + "// changed\n" + BODY)

    reloader.reload()

    assert reloader.maps["other"] is other
    assert reloader.maps["sex"] is not sex
    assert version_of(reloader.maps["sex"]) != version_of(sex)


def test_a_run_that_has_begun_ends_with_the_map_it_began_with(site: Callable[..., Reloader]) -> None:
    """Who holds a map keeps it, its tables included."""
    reloader = site()
    held = reloader.maps["sex"]
    (reloader.folders[1] / "sexes.csv").write_text(TABLE.replace("M,male", "M,other"))
    (reloader.folders[1] / "m.toml").write_text(CASE.replace("male", "other"))

    assert reloader.reload().outcome == "swapped"

    assert (gender(held), gender(reloader.maps["sex"])) == ("male", "other")


def refused(
    site: Callable[..., Reloader], file: str, text: str | None
) -> list[tuple[str, str | None, int | None]]:
    reloader = site(needed=("sex",))
    path = reloader.folders[1] / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    before = version_of(reloader.maps["sex"])

    found = reloader.reload()

    assert (found.outcome, reloader.counts["refused"]) == ("refused", 1)
    assert (gender(reloader.maps["sex"]), version_of(reloader.maps["sex"])) == ("male", before)
    return [(issue.code, issue.at, issue.line) for issue in found.issues]


FAULTS = {
    "all faults of a map": (
        "sex.map",
        HEAD
        + BODY.replace("tgt.gender", "tgt.gander")
        + "group H(source a, target b : Patient) { a.x -> b.y; }\n",
        [("MP207", "sex.map", 6), ("MP207", "sex.map", 8)],
    ),
    "a text that is no map": ("sex.map", HEAD + BODY[:-3], [("MP109", "sex.map", 5)]),
    "a table": ("sexes.csv", TABLE + "X\n", [("MP218", "sex.map", 6), ("CM102", "sexes.csv", 5)]),
    "a case": ("sexes.csv", TABLE.replace("M,male", "M,other"), [("MP410", "m.json", None)]),
}


@pytest.mark.parametrize(("file", "text", "issues"), FAULTS.values(), ids=FAULTS)
def test_a_version_with_faults_is_refused_and_the_old_one_stays(
    site: Callable[..., Reloader], file: str, text: str, issues: list[tuple[str, str, int]]
) -> None:
    """Every fault is told, with file and line."""
    assert refused(site, file, text) == issues


def test_a_map_that_a_source_needs_cannot_go(site: Callable[..., Reloader]) -> None:
    """A deployment does not lose the map of a source."""
    assert refused(site, "sex.map", None)[0][0] == "MP401"


def test_a_mended_version_is_taken_after_a_refused_one(site: Callable[..., Reloader]) -> None:
    """A refusal leaves nothing behind."""
    reloader = site()
    path = reloader.folders[1] / "sex.map"
    path.write_text("nothing")
    assert reloader.reload().outcome == "refused"
    path.write_text(HEAD + "// mended\n" + BODY)

    assert reloader.reload().outcome == "swapped"


def test_a_touched_file_is_noticed(site: Callable[..., Reloader]) -> None:
    """A watcher compares two stamps."""
    reloader = site()
    before = reloader.stamp()
    os.utime(reloader.folders[1] / "sex.map", ns=(1, 1))

    assert reloader.stamp() != before
