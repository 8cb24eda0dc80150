"""Where the tags of an XML document stand, which the parser does not tell.

Used on documents that a parser has found well-formed, so patterns need not judge. Time is linear in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTRIBUTES = r"""[^<>"']*+(?:(?:"[^"]*+"|'[^']*+')[^<>"']*+)*+"""
_MARKUP = re.compile(
    rf"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<(?P<close>/?)(?P<name>[^\s<>/!?]++){_ATTRIBUTES}>",
    re.DOTALL,
)


def tags(text: str) -> Iterator[tuple[int, str, bool, bool]]:
    """Yield offset, name without prefix, and whether it opens and whether it closes, for every tag."""
    for match in _MARKUP.finditer(text):
        if match["name"]:
            name = match["name"].rpartition(":")[2]
            opens = not match["close"]
            yield match.start(), name, opens, not opens or text[match.end() - 2] == "/"


def start_tags(text: str) -> Iterator[int]:
    """Yield the offset of every start tag, in document order."""
    for match in _MARKUP.finditer(text):
        if match["name"] and not match["close"]:
            yield match.start()


def element_end(text: str, start: int) -> int:
    """Return the offset after the end tag of the element that starts at `start`."""
    depth = 0
    for match in _MARKUP.finditer(text, start):
        if match["close"]:
            depth -= 1
        elif match["name"] and text[match.end() - 2] != "/":
            depth += 1
        if depth == 0:
            return match.end()
    return len(text)
