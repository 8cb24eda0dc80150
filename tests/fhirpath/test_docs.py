"""The page on FHIRPath names everything there is."""

from __future__ import annotations

from pathlib import Path

from adapter.fhirpath.functions import FUNCTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "fhirpath.md").read_text("utf-8")


def test_every_function_is_on_the_page() -> None:
    """No function exists that its users are not told of."""
    assert [name for name in FUNCTIONS if f"`{name}`" not in PAGE] == []
