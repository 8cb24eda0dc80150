"""The deployment of the demo: directory, consents and agreements can be read and agree with each other."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from adapter.relay import consent_record, directory, eligibility
from adapter.shipped import folder
from tests.content.conftest import read

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.validation.validator import Validator

DEMO = folder("fixtures") / "demo"
PARTNERS = sorted((DEMO / "partners").glob("*.json"))
CONSENTS = sorted((DEMO / "consents").glob("*.json"))
AGREEMENTS = sorted((DEMO / "agreements").glob("*.toml"))


@pytest.mark.parametrize("path", [*PARTNERS, *CONSENTS], ids=lambda path: path.stem)
def test_a_resource_is_valid(path: Path, validator: Validator) -> None:
    """Partners and consents hold to R4 and to the profiles they claim."""
    assert [(issue.code, issue.at) for issue in validator.validate(read(path)) if issue.is_error] == []


def test_the_directory_is_without_fault() -> None:
    """The relay reads the directory without a complaint."""
    assert directory.faults([read(path) for path in PARTNERS]) == []


@pytest.mark.parametrize("path", CONSENTS, ids=lambda path: path.stem)
def test_a_consent_is_without_fault(path: Path) -> None:
    """The relay can decide by every consent."""
    assert consent_record.faults(read(path)) == []


@pytest.mark.parametrize("path", AGREEMENTS, ids=lambda path: path.stem)
def test_an_agreement_names_organisations_of_the_directory(path: Path) -> None:
    """Both sides of an agreement are known."""
    found = eligibility.read_agreement(tomllib.loads(path.read_text("utf-8")), path.stem)
    known = directory.read(read(each) for each in PARTNERS)

    assert known.party(found.hospital)
    assert known.party(found.provider)
