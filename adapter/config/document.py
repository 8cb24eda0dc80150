"""A settings file: its sections and keys, and where each fault of it stands."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.config.keys import LISTS, SECTIONS, Wrong
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.config.keys import Key


class Document:
    """One reading of a file: collects faults instead of stopping at the first."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.folder = path.resolve().parent
        self.lines = text.splitlines()
        self.faults: list[Issue] = []
        self.warnings: list[Issue] = []

    def fault(self, code: str, at: str, **params: str | int) -> None:
        """Note a fault at a key such as `partner[2].level`."""
        self.faults.append(Issue(code, at, params, line=self._line(at)))

    def resolve(self, name: str) -> Path:
        """Return a path of the file, relative to the file."""
        return self.folder / Path(name).expanduser()

    def part(self, table: dict[str, Any], name: str, keys: Mapping[str, Key]) -> dict[str, Any]:
        """Read the section of a name; one that is not there has its defaults."""
        return self.section(self._table(table, name), keys, name)

    def _table(self, table: dict[str, Any], name: str) -> dict[str, Any]:
        value = table.get(name, {})
        if isinstance(value, dict):
            return value
        self.fault("CF106", name, key=name, takes=f"a section [{name}]")
        return {}

    def sections(self, table: dict[str, Any], name: str, keys: Mapping[str, Key]) -> list[dict[str, Any]]:
        """Read the sections `[[name]]`, in their order."""
        value = table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fault("CF106", name, key=name, takes=f"sections [[{name}]]")
            return []
        return [self.section(one, keys, f"{name}[{number}]") for number, one in enumerate(value, 1)]

    def section(self, table: dict[str, Any], keys: Mapping[str, Key], at: str) -> dict[str, Any]:
        """Read the keys of one section; absent ones get their default, wrong ones None."""
        dot = f"{at}." if at else ""
        for key in table:
            if key not in keys:
                self._unknown(key, (*keys, *SECTIONS, *LISTS) if not at else tuple(keys), f"{dot}{key}")
        read: dict[str, Any] = {}
        for key, spec in keys.items():
            read[key] = spec.default
            if key not in table:
                if spec.is_required:
                    self.fault("CF105", f"{dot}{key}", key=key)
                continue
            try:
                read[key] = spec.read(table[key])
            except Wrong as error:
                read[key] = None if spec.is_required else spec.default
                self.fault("CF106", f"{dot}{key}", key=key, takes=str(error))
        return read

    def _unknown(self, key: str, known: tuple[str, ...], at: str) -> None:
        near = get_close_matches(key, known, n=1, cutoff=0.5)
        if near:
            self.fault("CF103", at, key=key, near=near[0])
        else:
            self.fault("CF104", at, key=key, known=", ".join(known))

    def once(self, tables: list[dict[str, Any]], name: str, key: str) -> None:
        """Note what stands twice where it may stand once."""
        seen: set[str] = set()
        for number, one in enumerate(tables, 1):
            if one[key] is not None and one[key] in seen:
                self.fault("CF113", f"{name}[{number}].{key}", key=key, section=name)
            seen.add(one[key])

    def _line(self, at: str) -> int | None:
        """Find the line of a key such as `partner[2].level`; of its section where the key is absent."""
        section, _, key = at.rpartition(".")
        name, _, number = section.partition("[")
        wanted = int(number.rstrip("]")) if number else 1
        here, found, best = "", 0, None
        for count, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[{1,2}\s*([\w-]+)\s*\]{1,2}", line)
            if header:
                here = header[1]
                found += here == name
                best = count if here == name and found == wanted else best
                rest = line[header.end() :]
            else:
                rest = line
            is_here = here == name and (found == wanted or not name)
            if is_here and re.search(rf"(?:^|\s)[\"']?{re.escape(key)}[\"']?\s*=", rest):
                return count
        return best
