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
from functools import cache
from typing import Literal, NamedTuple

Kind = Literal[
    "name", "quoted", "string", "doubled", "triple", "number", "moment", "symbol", "meta", "end", "bad"
]

_WORDS = {
    "name": r"[A-Za-z_][A-Za-z0-9_]*",
    "symbol": r"->|<<|>>|\.\.|[-+*&|<>=~!%(){}\[\],;:$#^?]|/(?![/*])|\.(?![0-9])",
    "meta": r"///(?!/)[ \t]*",
    "comment": r"//[^\r\n]*|/\*.*?\*/",
    "open": r"/\*",
    "triple": r'"""(?:.*?)"""',
    "doubled": r'"(?:[^"\\]|\\.)*+"',
    "string": r"'(?:[^'\\]|\\.)*+'",
    "quoted": r"`(?:[^`\\]|\\.)*+`",
    "moment": r"@[0-9T][0-9T:+.Z-]*",
    "number": r"[0-9]+(?:\.[0-9]+)?L?|\.[0-9]+",
    "bad": r"\S",
}
"""Kinds of words, in the order they are tried."""
_UNCLOSED = {"'": {"string"}, '"': {"doubled", "triple"}, "`": {"quoted"}, "/*": {"comment"}}
"""What begins with a mark that nothing closes, and so need not be looked for in the rest of the file."""
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_PLAIN = frozenset({"name", "symbol", "number", "moment", "meta"})
_QUOTED: tuple[Kind, ...] = ("string", "doubled", "quoted", "triple")
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
    at: int | None = 0
    end = len(text.rstrip())
    left_out: frozenset[str] = frozenset()
    while at is not None:
        at, left_out = _read(text, at, end, left_out, tokens, comments)
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens, comments


def _read(
    text: str, at: int, end: int, left_out: frozenset[str], tokens: list[Token], comments: list[Comment]
) -> tuple[int | None, frozenset[str]]:
    """Read words from `at` on, up to one that is not closed; give where to go on, and without which kinds."""
    made = tuple.__new__  # what Token(…) does, without a call between
    for match in _pattern(left_out).finditer(text, at, end):
        kind = match.lastgroup
        start, stop = match.span(match.lastindex or 0)
        word = text[start:stop]
        if kind in _PLAIN:
            tokens.append(made(Token, (kind, word, start, stop)))
        elif kind == "comment":
            comments.append(Comment(word, start, stop))
        elif kind in _QUOTED:
            tokens.append(Token(kind, _value(kind, word), start, stop))
        elif kind in ("bad", "open"):
            tokens.append(Token("bad", word, start, stop))
            if word in _UNCLOSED and not _UNCLOSED[word] <= left_out:
                return stop, left_out | _UNCLOSED[word]
    return None, left_out


@cache
def _pattern(left_out: frozenset[str]) -> re.Pattern[str]:
    kinds = "|".join(f"(?P<{kind}>{form})" for kind, form in _WORDS.items() if kind not in left_out)
    return re.compile(rf"\s*+(?:{kinds})", re.DOTALL | re.ASCII)


def _value(kind: str | None, word: str) -> str:
    """Return what stands between the quotes."""
    return word[3:-3].strip("\r\n") if kind == "triple" else unescape(word[1:-1])
