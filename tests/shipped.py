"""The shipped maps and profiles as tests share them: read, checked and compiled once in a process."""

from __future__ import annotations

from functools import cache

from adapter.mapping import MapSet
from adapter.shipped import folder
from adapter.validation import Validator


@cache
def maps() -> MapSet:
    """All shipped maps, every one of them checked whole."""
    return MapSet.load(folder("mappings"))


@cache
def validator() -> Validator:
    """R4 and the shipped profiles."""
    return Validator.shipped()
