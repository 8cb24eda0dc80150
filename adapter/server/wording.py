"""The words of the reply form's pages and notices: the table `reply-form.toml`, in three languages."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.outcome import Language


@cache
def table() -> dict[str, dict[str, dict[Language, str]]]:
    """Return all words: group, name, language."""
    return tomllib.loads((files("adapter.server") / "reply-form.toml").read_text("utf-8"))


def word(group: str, name: str, language: Language) -> str:
    """Return a word or a sentence of a page."""
    return table()[group][name][language]
