"""Words of an expression: the lexer, one token at a time.

Tokens are made on demand, because a mapping embeds expressions in text that is not FHIRPath. A place where
no token can be read gives a token of kind `fault`, which fails only if the parser needs it.
FHIRPath 2.0.0, "Lexical Elements" and grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhirpath.faults import malformed

if TYPE_CHECKING:
    from adapter.outcome import Param

_TOKEN = re.compile(
    r"""
      (?P<time>@T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?))
    | (?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?T
          (?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)
    | (?P<date>@\d{4}(?:-\d\d(?:-\d\d)?)?)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<doubled>"(?:[^"\\]|\\.)*")
    | (?P<special>\$(?:this|index|total)(?![A-Za-z0-9_]))
    | (?P<symbol><=|>=|!=|!~|[-+*/&|<>=~%(){}\[\].,])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_GAP = re.compile(r"(?:\s+|//[^\r\n]*|/\*.*?\*/)+", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {
    "'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One word: its kind, its text (quotes and escapes undone) and its offsets."""

    kind: str
    """number, string, name, quoted, doubled, date, datetime, time, special, symbol, end or fault."""
    text: str
    start: int
    end: int


def token_at(text: str, offset: int) -> Token:
    """Read the token that starts at or after `offset`, past white space and comments.

    The kind is `end` at the end of the text, and `fault` where nothing can be read: its text is the code of
    the finding.
    """
    gap = _GAP.match(text, offset)
    if gap is not None:
        offset = gap.end()
    if offset >= len(text):
        return Token("end", "", offset, offset)
    if text.startswith("/*", offset):
        return Token("fault", "FP102", offset, len(text))
    match = _TOKEN.match(text, offset)
    if match is None:
        code = "FP102" if text[offset] in "'`\"" else "FP101"
        return Token("fault", code, offset, offset + 1)
    kind = str(match.lastgroup)
    said = match[0]
    if kind in ("string", "quoted", "doubled"):
        plain = _unescaped(said[1:-1])
        if plain is None:
            return Token("fault", "FP103", offset, match.end())
        return Token(kind, plain, offset, match.end())
    return Token(kind, said, offset, match.end())


def _unescaped(said: str) -> str | None:
    """Undo the escapes, or give None if one of them is not FHIRPath's."""
    if "\\" not in said:
        return said
    if any(match[1][0] not in _ESCAPES and len(match[1]) == 1 for match in _ESCAPE.finditer(said)):
        return None
    plain = _ESCAPE.sub(_character, said)
    try:
        # A pair of \uXXXX escapes stands for one character outside the basic plane.
        return plain.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None


def _character(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _ESCAPES[escape]


def refuse(text: str, token: Token, **params: Param) -> None:
    """Raise what is wrong with a `fault` token; other tokens pass."""
    if token.kind == "fault":
        raise malformed(token.text, text, token.start, **params)
