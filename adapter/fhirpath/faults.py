"""Where an expression goes wrong: the package's errors, with line and column of the expression."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from adapter.errors import Malformed, TooCostly, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.outcome import Param


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column of `offset` in `text`, both from 1."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def malformed(code: str, text: str, offset: int, **params: Param) -> Malformed:
    """Make the error that says the expression itself is wrong at `offset`."""
    line, column = place(text, offset)
    return Malformed(code, line=line, column=column, params=params)


def unsupported(code: str, text: str, offset: int, **params: Param) -> Unsupported:
    """Make the error that says something outside of the engine would be needed at `offset`."""
    line, column = place(text, offset)
    return Unsupported(code, line=line, column=column, params=params)


def too_costly(code: str, text: str = "", offset: int = 0, **params: Param) -> TooCostly:
    """Make the error that says a limit was reached."""
    line, column = place(text, offset) if text else (None, None)
    return TooCostly(code, line=line, column=column, params=params)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name most like `name`, or a dash if none is near."""
    names = list(known)
    for one in names:
        if one.lower() == name.lower():
            return one
    found = get_close_matches(name, names, n=1, cutoff=0.6)
    return found[0] if found else "-"
