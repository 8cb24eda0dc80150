"""The place in a map file that is read next, what may stand there, and what is said if it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from adapter.fhirpath.tree import Span
from adapter.mapping.fml.tokens import Text, Token, tokenize
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterable

APOSTROPHE = "\ue0fe"
"""Stands for `'` inside of a text in double quotes while FHIRPath, which has no such texts, reads it."""


_UNREADABLE = {"'": "MP104", '"': "MP104", "`": "MP104", "/*": "MP112"}
"""What is said of a mark that nothing closes."""


class Lost(Exception):
    """The parser lost its place; the fault is noted already."""


class Cursor:
    """A place in the words of a file, with the faults found so far."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.content = text.content
        self.tokens, self.comments = tokenize(text.content)
        self.paths = single_quoted(text.content, self.tokens)
        self.at = 0
        self.token = self.tokens[0]
        self.issues: list[Issue] = []
        self.depth = 0

    def advance(self) -> Token:
        """Take the word in hand and go on to the next."""
        taken = self.token
        if taken.kind != "end":
            self.at += 1
            self.token = self.tokens[self.at]
        return taken

    def back(self) -> None:
        """Go back by one word."""
        self.at -= 1
        self.token = self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        """Return a word further on; the last one of the file is there for ever."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def is_symbol(self, symbol: str) -> bool:
        """True if `symbol` is next."""
        return self.token.kind == "symbol" and self.token.text == symbol

    def is_word(self, word: str) -> bool:
        """True if `word` is next, without quotes."""
        return self.token.kind == "name" and self.token.text == word

    def take(self, symbol: str) -> bool:
        """Advance past `symbol` if it is next."""
        if self.is_symbol(symbol):
            self.advance()
            return True
        return False

    def take_word(self, word: str) -> bool:
        """Advance past `word` if it is next."""
        if self.is_word(word):
            self.advance()
            return True
        return False

    def expect(self, symbol: str) -> Token:
        """Take `symbol`, or be lost."""
        if not self.is_symbol(symbol):
            self.lost(f"'{symbol}'")
        return self.advance()

    def name(self, expected: str = "a name") -> str:
        """Take a name, plain or delimited; `expected` says what it names."""
        if self.token.kind not in ("name", "quoted"):
            self.lost(expected)
        return self.advance().text

    def quoted(self, expected: str = "a text in quotes") -> str:
        """Take a text in quotes."""
        if self.token.kind not in ("string", "doubled"):
            self.lost(expected)
        return self.advance().text

    def span(self, start: int) -> Span:
        """Return the span from `start` to the end of the word taken last."""
        return Span(start, self.tokens[self.at - 1].end if self.at else start)

    def fault(self, code: str, offset: int, **params: str | int) -> None:
        """Note what is wrong at `offset`."""
        line, column = self.text.place(offset)
        self.issues.append(Issue(code, self.text.file, params, line=line, column=column))

    def lost(self, expected: str) -> NoReturn:
        """Note that something else stands where `expected` should, and raise Lost."""
        token = self.token
        if token.kind == "bad":
            self.fault(_UNREADABLE.get(token.text, "MP103"), token.start, found=token.text)
        elif token.kind == "end":
            self.fault("MP102", token.start, expected=expected)
        else:
            self.fault("MP101", token.start, expected=expected, found=self.content[token.start : token.end])
        raise Lost

    def starts_line(self) -> bool:
        """Tell whether the token in hand is the first of its line, so that reading on makes sense."""
        before = self.tokens[max(self.at - 1, 0)].end
        return self.text.place(before)[0] < self.text.place(self.token.start)[0]

    def starts_declaration(self) -> bool:
        """Tell whether the word in hand is at the very left, as declarations are."""
        return self.text.place(self.token.start)[1] == 1

    def semicolon(self) -> None:
        """Take the `;`; one that was forgotten at the end of a line does no further harm."""
        if self.take(";"):
            return
        if self.token.kind == "bad":
            self.lost("';'")
        self.fault("MP106", self.tokens[max(self.at - 1, 0)].end)
        if not (self.is_symbol("}") or self.starts_line()):
            raise Lost

    def touches_on(self) -> bool:
        """Tell whether the next word is part of the same code: it touches, and a dash also the one after."""
        following, after = self.peek(), self.peek(2)
        if following.start != self.token.end:
            return False
        if following.kind in ("name", "number"):
            return True
        return (
            following.text in ("-", ".") and after.start == following.end and after.kind in ("name", "number")
        )


def single_quoted(content: str, tokens: Iterable[Token]) -> str:
    """Write texts in double quotes with single ones, every offset unchanged."""
    parts: list[str] = []
    at = 0
    for token in tokens:
        if token.kind == "doubled":
            body = content[token.start + 1 : token.end - 1].replace("'", APOSTROPHE)
            parts += (content[at : token.start], "'", body, "'")
            at = token.end
    return "".join([*parts, content[at:]])
