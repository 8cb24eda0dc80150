"""A JSON reader that is in no hurry: it knows where everything stands and what exactly is wrong.

The fast reader in `json` decides that something is wrong; this one says what, and in which line and column.
It also finds the place of a FHIRPath for `positions`. It does not recurse, and time and memory are linear in
the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.errors import ContentError, Malformed, TooCostly
from adapter.fhir.budget import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.budget import Budget

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_NON_NUMBER = re.compile(r"-?Infinity|NaN")
_AFTER_NUMBER = re.compile(r"[0-9A-Za-z.+\-]")
_LITERALS = ("true", "false", "null")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CLOSING = {"{": "}", "[": "]"}
_ELEMENT_NAME = re.compile(r"(?!.*[0-9]{3})_?[A-Za-z][A-Za-z0-9_]{0,63}")

Step = str | int


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of a character, both counted from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def shown_name(name: str) -> str:
    """Return `name` if it can only be the name of an element; anything else may be a patient's value."""
    return name if _ELEMENT_NAME.fullmatch(name) else "?"


@dataclass(slots=True)
class _Level:
    """An object or array that is still open."""

    is_object: bool
    step: Step | None
    """The key or index of the value within it; None before the first key."""
    keys: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Walk:
    """One pass over a text. While it runs, `path` names the value just begun."""

    text: str
    budget: Budget = DEFAULT
    _levels: list[_Level] = field(default_factory=list)
    _values: int = 0

    @property
    def path(self) -> tuple[Step, ...]:
        """Keys and indexes from the root to the value just begun."""
        return tuple(level.step for level in self._levels if level.step is not None)

    @property
    def at(self) -> str | None:
        """The same as a text, as far as its keys are element names; None at the root."""
        said = ""
        for step in self.path:
            said += f"[{step}]" if isinstance(step, int) else f".{shown_name(step)}"
        return said.lstrip(".") or None

    def values(self) -> Iterator[tuple[int, int]]:
        """Yield two offsets for each value in turn: where its key begins, and where it begins itself.

        Without a key both are the same. Raises Malformed or TooCostly at the first fault.
        RFC 8259, and the settings of the budget.
        """
        offset = self._skip(0)
        if offset == len(self.text):
            raise self._wrong("FH100", 0)
        key = offset
        while True:
            yield key, offset
            self._count(offset)
            closing = _CLOSING.get(self.text[offset : offset + 1])
            offset = self._skip(self._begin(offset))
            if closing and self.text[offset : offset + 1] != closing:
                key, offset = self._next(offset)
                continue
            if closing:
                offset = self._close(offset)
            ended = self._after(offset)
            if ended is None:
                return
            key, offset = self._next(ended)

    def _begin(self, offset: int) -> int:
        """Return the offset after a scalar, or after the bracket that opens an object or array."""
        first = self.text[offset : offset + 1]
        if first in ("{", "["):
            if len(self._levels) >= self.budget.depth:
                raise self._costly("FH121", offset, self.budget.depth)
            self._levels.append(_Level(first == "{", None if first == "{" else 0))
            return offset + 1
        if first == '"':
            return self._string(offset)[1]
        if match := _NUMBER.match(self.text, offset):
            return self._number(match)
        for literal in _LITERALS:
            if self.text.startswith(literal, offset):
                return offset + len(literal)
        if _NON_NUMBER.match(self.text, offset):
            raise self._wrong("FH106", offset)
        raise self._unexpected(offset)

    def _next(self, offset: int) -> tuple[int, int]:
        """Return the offsets of the next key and value in the open object or array."""
        level = self._levels[-1]
        if not level.is_object:
            return offset, offset
        if self.text[offset : offset + 1] != '"':
            raise self._unexpected(offset)
        name, ended = self._string(offset)
        level.step = name
        if name in level.keys:
            raise self._wrong("FH101", offset, name=shown_name(name))
        level.keys.add(name)
        ended = self._skip(ended)
        if self.text[ended : ended + 1] != ":":
            raise self._unexpected(ended)
        return offset, self._skip(ended + 1)

    def _after(self, offset: int) -> int | None:
        """Go on after a whole value: past a comma or closing brackets. None at the end of the document."""
        offset = self._skip(offset)
        while self._levels:
            level = self._levels[-1]
            found = self.text[offset : offset + 1]
            if found == ",":
                if not level.is_object:
                    level.step = int(level.step or 0) + 1
                return self._skip(offset + 1)
            if found != ("}" if level.is_object else "]"):
                raise self._unexpected(offset)
            offset = self._skip(self._close(offset))
        if offset != len(self.text):
            raise self._wrong("FH111", offset)
        return None

    def _close(self, offset: int) -> int:
        self._levels.pop()
        return offset + 1

    def _string(self, start: int) -> tuple[str, int]:
        """Return what a string says and the offset after its closing quote."""
        said: list[str] = []
        offset = start + 1
        while True:
            match = _PLAIN.match(self.text, offset)
            offset = match.end() if match else offset
            said.append(match[0] if match else "")
            found = self.text[offset : offset + 1]
            if found == '"':
                break
            if found != "\\":
                raise self._wrong("FH103" if found else "FH112", offset)
            letter, offset = self._escape(offset)
            said.append(letter)
        if offset - start > self.budget.text:
            raise self._costly("FH123", start, self.budget.text)
        return "".join(said), offset + 1

    def _escape(self, offset: int) -> tuple[str, int]:
        """Return the character an escape stands for and the offset after it."""
        letter = self.text[offset + 1 : offset + 2]
        if letter in _ESCAPES:
            return _ESCAPES[letter], offset + 2
        if letter != "u":
            raise self._wrong("FH103" if letter else "FH112", offset)
        code = self._code(offset)
        if code == 0:
            raise self._wrong("FH105", offset)
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code), offset + 6
        second = self._code(offset + 6) if self.text.startswith("\\u", offset + 6) else 0
        if code > 0xDBFF or not 0xDC00 <= second <= 0xDFFF:
            raise self._wrong("FH104", offset)
        return chr(0x10000 + ((code - 0xD800) << 10) + second - 0xDC00), offset + 12

    def _code(self, offset: int) -> int:
        match = _HEX.match(self.text, offset + 2)
        if match is None:
            raise self._wrong("FH103", offset)
        return int(match[0], 16)

    def _number(self, match: re.Match[str]) -> int:
        start, ended = match.span()
        if ended - start > self.budget.digits:
            raise self._costly("FH107", start, self.budget.digits)
        if match[1] and abs(int(match[1])) > self.budget.exponent:
            raise self._costly("FH108", start, self.budget.exponent)
        if _AFTER_NUMBER.match(self.text, ended):
            raise self._wrong("FH113", start)
        return ended

    def _count(self, offset: int) -> None:
        self._values += 1
        if self._values > self.budget.elements:
            raise self._costly("FH122", offset, self.budget.elements)

    def _skip(self, offset: int) -> int:
        match = _SPACE.match(self.text, offset)
        return match.end() if match else offset

    def _unexpected(self, offset: int) -> ContentError:
        return self._wrong("FH112" if offset >= len(self.text) else "FH102", offset)

    def _wrong(self, code: str, offset: int, name: str | None = None) -> Malformed:
        line, column = place_of(self.text, offset)
        params = {"name": name} if name else {}
        return Malformed(code, at=self.at, params=params, line=line, column=column)

    def _costly(self, code: str, offset: int, limit: int) -> TooCostly:
        line, column = place_of(self.text, offset)
        return TooCostly(code, at=self.at, params={"limit": limit}, line=line, column=column)


def fault(text: str, budget: Budget = DEFAULT) -> ContentError | None:
    """Return the first fault of a JSON text, with its place; None if there is none."""
    try:
        for _ in Walk(text, budget).values():
            pass
    except ContentError as found:
        return found
    return None
