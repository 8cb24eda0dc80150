"""Every finding of the codec has words in three languages, and every code used has an entry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from string import Formatter

import pytest

from adapter.outcome import SEVERITIES, finding

ROOT = Path(__file__).parents[2]
ENTRIES = tomllib.loads((ROOT / "adapter" / "findings" / "fhir.toml").read_text("utf-8"))
USED = {
    code
    for file in (ROOT / "adapter" / "fhir").glob("*.py")
    for code in re.findall(r'"(FH[0-9]{3})"', file.read_text("utf-8"))
}


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("code", sorted(ENTRIES))
def test_a_finding_says_the_same_in_every_language(code):
    """Three texts with the same parameters, three helps, a known severity."""
    entry = finding(code)
    assert set(entry.text) == set(entry.help) == {"en", "fi", "sv"}
    assert len({frozenset(names(text)) for text in entry.text.values()}) == 1
    assert entry.severity in SEVERITIES


def test_codes_used_and_codes_listed_are_the_same():
    """No code without words, no words without a use."""
    assert set(ENTRIES) == USED
