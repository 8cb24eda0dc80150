"""Text to tree by recursive descent, with recovery: every fault of a file is found in one reading.

Keywords are words like any other (`src.source`, `tgt.group`), so what a word means is decided by its place.
Old syntax (`map "url" = "name"`, `where` without brackets) and new (`/// url = ..`, `let`) are both read.
HL7 FHIR Mapping Language, grammar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.parser.cursor import Cursor
from adapter.mapping.fml.parser.files import map_file
from adapter.mapping.fml.tokens import Text

if TYPE_CHECKING:
    from adapter.mapping.fml.tree import MapFile
    from adapter.outcome import Issue


def parse(content: str, file: str = "") -> tuple[MapFile | None, list[Issue]]:
    """Read one map file; the tree is None if there is no group left to speak of.

    `file` names it in the issues, which are MP1nn for the map itself and FPnnn for its expressions.
    """
    cursor = Cursor(Text.of(content, file))
    tree = map_file(cursor)
    return tree, cursor.issues
