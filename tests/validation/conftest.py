"""What the tests of validation share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.fhir.packages import load
from tests import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.fhir.packages import Package
    from adapter.validation import Validator


@pytest.fixture(scope="session")
def validator() -> Validator:
    """R4 and the shipped profiles, compiled once for all tests."""
    return shipped.validator()


@pytest.fixture(scope="session")
def core(corpus: Path) -> Package:
    """The published definitions of R4."""
    return load(corpus / "fhir-r4-definitions" / "hl7.fhir.r4.core.tgz")
