"""Words of a map file: nothing of the text is lost, because every token knows its offsets.

Tokens cover FHIRPath loosely, just far enough that brackets and quotes can be followed; the expressions
themselves are read by `adapter.fhirpath.parser`. Comments are kept aside: the printer puts them back, and
some of them are pragmas (`//! ignore`, `//! accepts`).
HL7 FHIR Mapping Language, grammar of the mapping-language guide (2026) and of FHIR R4.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal[
    "name", "quoted", "string", "doubled", "triple", "number", "moment", "symbol", "meta", "end", "bad"
]

_TOKEN = re.compile(
    r"""
    \s*+ (?:
      (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<meta>///(?!/)[ \t]*)
    | (?P<comment>//[^\r\n]*|/\*.*?\*/)
    | (?P<triple>\"\"\"(?:.*?)\"\"\")
    | (?P<doubled>"(?:[^"\\]|\\.)*")
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<moment>@[0-9T][0-9T:+.Z-]*)
    | (?P<number>[0-9]+(?:\.[0-9]+)?)
    | (?P<symbol>->|<<|>>|\.\.|[-+*/&|<>=~!%(){}\[\].,;:$\#^?])
    | (?P<bad>\S)
    )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_QUOTED = frozenset({"string", "doubled", "quoted", "triple"})
_ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """One word of the map: its kind, its value (quotes and escapes undone) and its offsets."""

    kind: Kind
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as written, its marks included."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Text:
    """The text of one map file, and where its lines begin."""

    file: str
    content: str
    line_starts: tuple[int, ...]

    @classmethod
    def of(cls, content: str, file: str) -> Text:
        """Index `content`; a byte order mark in front is not part of it."""
        content = content.removeprefix("\ufeff")
        starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", content))]
        return cls(file, content, tuple(starts))

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`, both from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1


def unescape(body: str) -> str:
    r"""Undo the escapes of FHIRPath strings (`\'`, `\n`, `\u00e4`..)."""
    if "\\" not in body:
        return body
    return _ESCAPE.sub(lambda match: _unescaped(match[1]), body)


def _unescaped(mark: str) -> str:
    if len(mark) == 5:
        return chr(int(mark[1:], 16))
    return _ESCAPES.get(mark, mark)


def tokenize(text: str) -> tuple[list[Token], list[Comment]]:
    """Cut `text` into tokens, the last of kind `end`, and comments.

    A place that begins no token gives one of kind `bad` of one character: the parser reports it and goes on.
    """
    tokens: list[Token] = []
    comments: list[Comment] = []
    for match in _TOKEN.finditer(text, 0, len(text.rstrip())):
        kind = match.lastgroup
        start, end = match.span(match.lastindex or 0)
        word = text[start:end]
        if kind == "comment":
            comments.append(Comment(word, start, end))
        else:
            tokens.append(Token(kind, _value(kind, word) if kind in _QUOTED else word, start, end))  # type: ignore[arg-type]
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens, comments


def _value(kind: str | None, word: str) -> str:
    """Return what stands between the quotes."""
    return word[3:-3].strip("\r\n") if kind == "triple" else unescape(word[1:-1])
