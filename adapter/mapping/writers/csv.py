"""A result as a table with a header line. RFC 4180.

The tree is the reader's: `row` for each line, the columns as leaves; `lines` under a row are further lines of
its group. A cell without a value is empty; what a cell cannot hold is refused, never cut.
"""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from adapter.errors import Malformed
from adapter.mapping.readers.csv import SEPARATORS, place
from adapter.mapping.readers.hl7v2 import CHARSETS
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.mapping.nodes import Item

NAMED_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def write(
    made: dict[str, Item], *, charset: str = "UTF-8", separator: str = ",", columns: Sequence[str] = ()
) -> bytes:
    """Write a table, lines ended by CRLF.

    `columns`: the header in order; left out, every column that a row has, as they come. `separator`:
    a sign, or `tab`, `comma`, `semicolon`, `pipe`.

    Raises Malformed MP342..MP346 with everything that cannot be written, each at its place (`row[2].name`).
    """
    return _Table(charset, NAMED_SEPARATORS.get(separator, separator)).bytes(made, columns)


class _Table:
    """One table under writing."""

    def __init__(self, charset: str, separator: str) -> None:
        self.faults: list[Issue] = []
        self.charset = charset
        self.codec = CHARSETS.get(charset.upper(), "")
        if not self.codec:
            self.fault("MP343", "table", charset=charset if charset.isascii() else "?")
        if separator not in SEPARATORS:
            self.fault("MP342", "table", name="separator")
            separator = ","
        self.separator = separator

    def fault(self, code: str, at: str, **params: str | int) -> None:
        self.faults.append(Issue(code, at, params))

    def bytes(self, made: dict[str, Item], columns: Sequence[str]) -> bytes:
        for key in made:
            if key != "row":
                self.fault("MP342", key, name=key)
        rows = list(self.rows(made.get("row")))
        names = list(columns) or list(dict.fromkeys(key for row in rows for key in row if key != "lines"))
        texts = [[self.cell(row.get(name), at, name) for name in names] for at, row in enumerate(rows)]
        for at, row in enumerate(rows):
            for key in row:
                if key not in names and key != "lines":
                    self.fault("MP342", place((("row", at),), key, None), name=key)
        if self.faults:
            raise Malformed(self.faults[0].code, at=self.faults[0].at, issues=self.faults)
        text = io.StringIO(newline="")
        lines = csv.writer(text, delimiter=self.separator, lineterminator="\r\n")
        lines.writerow(names)
        lines.writerows(texts)
        return text.getvalue().encode(self.codec)

    def rows(self, value: Item) -> Iterator[dict[str, Item]]:
        """Yield rows, the further lines of a group behind its first."""
        for at, row in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
            if not isinstance(row, dict):
                self.fault("MP342", place((("row", at),), None, None), name="row")
                continue
            yield row
            if isinstance(row.get("lines"), list):
                yield from self.rows(row["lines"])

    def cell(self, value: Item, at: int, name: str) -> str:
        where = place((("row", at),), name, None)
        if isinstance(value, list):
            if len(value) > 1:
                self.fault("MP345", where, count=len(value))
            value = value[0] if value else None
        if isinstance(value, dict):
            self.fault("MP346", where)
            return ""
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if _CONTROL.search(text):
            self.fault("MP344", where)
        try:
            text.encode(self.codec or "utf-8")
        except UnicodeEncodeError:
            self.fault("MP343", where, charset=self.charset)
        return text
