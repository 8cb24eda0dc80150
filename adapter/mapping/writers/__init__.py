"""A result that is not FHIR goes out in the receiver's own form, one file per format.

A map says the form by its target structure (`v2-message`, `csv-table`, `json-document`, `xml-document`, or a
logical model), and what the receiver wants beside it by a pragma:

    //! writes separator=; charset=windows-1252

A document is written whole or not at all: every value that the form cannot hold is found, and all of them
are raised together, each with its place in the receiver's words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.mapping.accounting import pragma
from adapter.mapping.explain import columns, written
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter.mapping.fml.resolver import Library
    from adapter.mapping.fml.tree import MapFile
    from adapter.mapping.run import Made

FORMATS = {"v2-message": "hl7v2", "csv-table": "csv", "json-document": "json", "xml-document": "xml"}
"""Last part of the url of a target structure -> the format it is written in."""
OPTIONS: dict[str, frozenset[str]] = {
    "hl7v2": frozenset({"charset"}),
    "csv": frozenset({"charset", "separator", "columns"}),
    "xml": frozenset({"root", "namespace"}),
    "json": frozenset(),
}
"""What `//! writes` may say, by format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form one target of a map is written in."""

    format: str
    options: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    """The header of a table: what `//! writes columns=a,b` names, else every column the map can write."""


def forms(file: MapFile, library: Library) -> list[Form | None]:
    """Return the form of each target of the map's first group; None where its shape alone tells."""
    if not file.groups:
        return []
    formats = {
        use.alias or use.url.rpartition("/")[2]: FORMATS.get(use.url.rpartition("/")[2])
        for use in file.uses
        if use.mode in ("target", "produced")
    }
    said = dict(_said(file))
    options = {name: value for name, (value, _) in said.items()}
    found = [formats.get(one.type or "") for one in file.groups[0].inputs if one.mode == "target"]
    every = columns(file, library) if "csv" in found else ()
    return [_form(one, options, every) if one else None for one in found]


def _form(format_: str, options: dict[str, str], every: tuple[str, ...]) -> Form:
    known = {name: options[name] for name in options.keys() & OPTIONS[format_]}
    named = known.pop("columns", "")
    return Form(format=format_, options=known, columns=tuple(named.split(",")) if named else every)


def faults(file: MapFile, library: Library) -> Iterator[Issue]:
    """Yield what is wrong with the forms of a map before any source is seen.

    MP225 for every option of `//! writes` that they do not have, MP342 for every rule that writes where an
    HL7 v2 message has no place.
    """
    found = forms(file, library)
    if any(form is not None and form.format == "hl7v2" for form in found):
        yield from _misplaced(file, library)
    known = {name for form in found if form is not None for name in OPTIONS[form.format]}
    for name, (_, start) in _said(file):
        if name not in known:
            line, column = file.text.place(start)
            params = {"option": name, "known": ", ".join(sorted(known)) or "-"}
            yield Issue("MP225", file.text.file, params, line=line, column=column)


def _misplaced(file: MapFile, library: Library) -> Iterator[Issue]:
    from adapter.mapping.writers.hl7v2 import misplaced

    messages = {use.alias for use in file.uses if use.url.rpartition("/")[2] == "v2-message"}
    told: set[tuple[str, ...]] = {()}
    for rule in written(file, library):
        root, *way = rule.path.split(".")
        wrong = misplaced(way) if root in messages else ()
        if wrong not in told:
            told.add(wrong)
            mark = rule.mark
            yield Issue("MP342", mark.file, {"name": wrong[-1]}, line=mark.line, column=mark.column)


def _said(file: MapFile) -> Iterator[tuple[str, tuple[str, int]]]:
    for comment in file.comments:
        word = pragma(comment.text)
        if word is not None and word[0] == "writes":
            for part in word[1].split():
                name, _, value = part.partition("=")
                yield name, (value, comment.start)


def document(made: Made, form: Form | None) -> bytes | None:
    """Write a result in the receiver's form; None if it is FHIR and goes out as such.

    Raises Malformed with all values the form cannot hold (MP341..MP349).
    """
    if form is None:
        if made.shape is None or made.shape.kind != "logical" or made.shape.namespace is None:
            return None
        form = Form(format="xml")
    if form.format == "hl7v2":
        from adapter.mapping.writers import hl7v2

        return hl7v2.write(made, **form.options)
    if form.format == "csv":
        from adapter.mapping.writers import csv

        return csv.write(made, columns=form.columns, **form.options)
    if form.format == "json":
        from adapter.mapping.writers import json

        return json.write(made)
    from adapter.mapping.writers import xml

    return xml.write(made, **form.options)
