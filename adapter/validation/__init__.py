"""Profiles as closures: what R4 and a profile ask of a resource, every finding with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.validation.library import Loose
    from adapter.validation.validator import Validator

__all__ = ["Loose", "Validator"]


def __getattr__(name: str) -> object:
    """Load what is asked for, and only that: `silta explain` must not load the type table."""
    if name == "Validator":
        from adapter.validation.validator import Validator

        return Validator
    if name == "Loose":
        from adapter.validation.library import Loose

        return Loose
    raise AttributeError(name)
