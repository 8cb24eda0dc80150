"""The words of narratives: the table `tables/narrative.toml`, and the designations of our own codes."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from adapter.fhir.canonical import BASE
from adapter.relay.element import codes, text
from adapter.shipped import folder

if TYPE_CHECKING:
    from adapter.outcome import Language
    from adapter.relay.element import Element

    Words = dict[str, dict[Language, str]]


@cache
def table() -> dict[str, Words]:
    """Return all words: group, name, language."""
    return tomllib.loads((files("adapter.relay") / "tables" / "narrative.toml").read_text("utf-8"))


def label(name: str, language: Language) -> str:
    """Return a label of ours."""
    return table()["label"][name][language]


def title(name: str, language: Language) -> str:
    """Return the first line of a kind of message."""
    return table()["title"][name][language]


def known(group: str, code: str, language: Language) -> str | None:
    """Return a code in words; None if there are none for it."""
    return table()[group].get(code, {}).get(language)


def said(group: str, code: str, language: Language) -> str:
    """Return a code in words; a code without any stands for itself."""
    return known(group, code, language) or code


def concept(stated: Element, language: Language) -> str:
    """Say a concept: by its text, the designation of a code of ours, or the code itself."""
    if words := text(stated, "text"):
        return words
    words_of = (_designations(system).get(code, {}).get(language, code) for system, code in codes(stated))
    return next(words_of, "")


@cache
def _designations(system: str) -> dict[str, dict[str, str]]:
    """Return the words of a code system of ours, by code and language; empty for any other."""
    name = system.removeprefix(f"{BASE}/CodeSystem/")
    path = folder("profiles") / "codesystems" / f"{name}.json"
    if "/" in name or not path.is_file():
        return {}
    concepts = json.loads(path.read_text("utf-8"))["concept"]
    return {
        each["code"]: {"en": each["display"]}
        | {one["language"]: one["value"] for one in each.get("designation", ()) if "language" in one}
        for each in concepts
    }
