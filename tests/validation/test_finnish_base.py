"""The Finnish base definitions that travel with the package."""

from __future__ import annotations

import json
import runpy
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir.packages import load
from adapter.validation import Loose, Validator
from adapter.validation.finnish import HOMES, finnish_base

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition"
ROOT = Path(__file__).parents[2]
PACKAGES = ("hl7.fhir.fi.base-2.0.0-rc2.tgz", "hl7.fhir.fi.scheduling-2.0.0-rc2.tgz")
PROFILES = sorted(
    url
    for url in finnish_base().canonicals()
    if (finnish_base().resource(url) or {}).get("resourceType") == "StructureDefinition"
)
TWO_OFFICIAL = {
    "resourceType": "Patient",
    "identifier": [{"use": "official", "system": "urn:x:y", "value": "1"}],
}


@pytest.fixture(scope="module")
def published(corpus: Path) -> Validator:
    """R4 and the Finnish packages as published, with their own snapshots."""
    return Validator([load(corpus / "finnish-profiles" / name) for name in PACKAGES])


def test_a_finnish_rule_is_held_without_any_package(validator: Validator) -> None:
    """use=official is for the personal identity code, though nobody gave a package that says so."""
    issues = validator.validate(TWO_OFFICIAL, f"{BASE}/fi-base-patient")

    assert [issue.at for issue in issues if issue.is_error] == ["Patient.identifier[0].system"]


def test_a_package_given_stands_before_the_table() -> None:
    """Whoever gives a release of their own is judged by it."""
    other = {**(finnish_base().resource(f"{BASE}/fi-base-patient") or {}), "differential": {"element": []}}

    issues = Validator.shipped([Loose([other])]).validate(TWO_OFFICIAL, f"{BASE}/fi-base-patient")

    assert [issue for issue in issues if issue.is_error] == []


def test_another_version_is_met_by_the_one_at_hand(validator: Validator) -> None:
    """A profile that names release 1.0.0 is still held."""
    issues = validator.validate(TWO_OFFICIAL, f"{BASE}/fi-base-patient|1.0.0")

    assert any(issue.is_error for issue in issues)


def test_every_definition_is_looked_for_where_it_is() -> None:
    """The table is opened for canonicals of these homes only, so each definition has one of them."""
    assert [url for url in finnish_base().canonicals() if not url.startswith(HOMES)] == []


@pytest.mark.parametrize("url", PROFILES, ids=lambda url: url.rpartition("/")[2])
def test_each_profile_can_be_read(url: str, validator: Validator) -> None:
    """Every profile and extension of the table has its bases at hand and gives a snapshot."""
    assert validator.snapshot(url)


def test_the_packages_are_named() -> None:
    """The table says what it was made from."""
    assert finnish_base().packages == (
        ("hl7.fhir.fi.base", "2.0.0-rc2"),
        ("hl7.fhir.fi.scheduling", "2.0.0-rc2"),
    )


@pytest.mark.corpus
def test_the_table_is_what_the_tool_makes_of_the_packages(corpus: Path) -> None:
    """The committed table was not edited by hand."""
    tool = runpy.run_path(str(ROOT / "tools" / "build_finnish_base.py"))

    made = tool["build"]([corpus / "finnish-profiles" / name for name in PACKAGES])

    assert made == json.loads(zlib.decompress(tool["TARGET"].read_bytes(), 31))


def _examples(corpus: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((corpus / "finnish-examples").rglob("*.json")):
        yield path.name, json.loads(path.read_text("utf-8"))


@pytest.mark.corpus
def test_the_table_judges_as_the_published_packages(
    corpus: Path, published: Validator, validator: Validator
) -> None:
    """Every Finnish example, whole and with each element left out once, has the same findings from both."""
    differing = [
        (name, key)
        for name, example in _examples(corpus)
        for key in (None, *example)
        if key != "resourceType"
        for resource in [{one: value for one, value in example.items() if one != key}]
        if {(issue.code, issue.at) for issue in published.validate(resource)}
        != {(issue.code, issue.at) for issue in validator.validate(resource)}
    ]

    assert differing == []
