"""What an organisation may do with which resource type: SMART scopes of system level, in their v2 form.

`system/Consent.cru` lets a client create, read and update Consents; `*` stands for every type. The letters
are c, r, u, d and s, in this order. SMART App Launch 2.2.0, scopes-and-launch-context.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LETTERS = "cruds"
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{1,63})\.(c?r?u?d?s?)", re.ASCII)
_EVERY = "*"


@dataclass(frozen=True, slots=True)
class Scopes:
    """Letters by resource type."""

    letters: Mapping[str, frozenset[str]]

    @classmethod
    def read(cls, words: Iterable[str]) -> Scopes:
        """Return the scopes that `words` name; words that are no such scope are passed over."""
        found: dict[str, frozenset[str]] = {}
        for word in words:
            match = _SCOPE.fullmatch(word)
            if match is not None and match[2]:
                found[match[1]] = found.get(match[1], frozenset()) | frozenset(match[2])
        return cls(found)

    def allow(self, type_name: str, letter: str) -> bool:
        """Return True if the interaction `letter` is allowed with resources of that type."""
        return any(letter in self.letters.get(name, ()) for name in (type_name, _EVERY))

    def within(self, most: Scopes) -> Scopes:
        """Return what both allow: a grant is never wider than what was registered."""
        both: dict[str, frozenset[str]] = {}
        for asked, letters in self.letters.items():
            for held, others in most.letters.items():
                if _EVERY in (asked, held) or asked == held:
                    name = held if asked == _EVERY else asked
                    both[name] = both.get(name, frozenset()) | (letters & others)
        return Scopes({name: letters for name, letters in both.items() if letters})

    def __str__(self) -> str:
        """Write them as a `scope` parameter has them: sorted, a space between."""
        return " ".join(
            f"system/{name}.{''.join(letter for letter in LETTERS if letter in letters)}"
            for name, letters in sorted(self.letters.items())
        )


EVERYTHING = Scopes({_EVERY: frozenset(LETTERS)})
"""What a static token or a certificate of an organisation allows: whatever an organisation may do at all."""


def is_scope(word: str) -> bool:
    """Return True if `word` is a system scope in the v2 form."""
    match = _SCOPE.fullmatch(word)
    return match is not None and bool(match[2])
