"""The words of narratives stand in three languages, and none is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapter.relay import narrative
from adapter.relay.narrative import wording

ENTRIES = [(group, name) for group, words in wording.table().items() for name in words]
SOURCES = [path.read_text("utf-8") for path in Path(narrative.__file__).parent.glob("*.py")]


@pytest.mark.parametrize(("group", "name"), ENTRIES)
def test_every_word_is_told_in_three_languages(group: str, name: str) -> None:
    """A language without a word would stop a copy, or send another language."""
    assert {language for language, word in wording.table()[group][name].items() if word} == {"en", "fi", "sv"}


def test_every_label_is_used() -> None:
    """What no narrative says any more is not left in the table."""
    said = {name for source in SOURCES for name in re.findall(r"[\"']([a-z-]+)[\"']", source)}

    assert sorted(wording.table()["label"].keys() - said) == []


def test_a_code_without_words_stands_for_itself() -> None:
    """Nothing is made up for a code that the table does not have."""
    assert wording.said("basis", "no-such-basis", "fi") == "no-such-basis"
