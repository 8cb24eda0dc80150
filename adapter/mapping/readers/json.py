"""JSON of any shape, and FHIR itself, as a source tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import Malformed
from adapter.fhir import json as fhir_json
from adapter.fhir.budget import DEFAULT
from adapter.mapping.nodes import Node, SourceTree, Step

if TYPE_CHECKING:
    from adapter.fhir.budget import Budget


def read(body: bytes, *, budget: Budget = DEFAULT) -> SourceTree:
    """Read a JSON document; a list at the top becomes `{"item": [..]}`.

    Raises Malformed (FH1nn) as `adapter.fhir.json.read` does, and SR401 for a lone value at the top.
    """
    value = fhir_json.read(body, budget)
    if isinstance(value, list):
        value = Node(item=value)
    if not isinstance(value, dict):
        raise Malformed("SR401", line=1, column=1)
    return SourceTree(value, "json", place)


def read_fhir(body: bytes, media_type: str, *, budget: Budget = DEFAULT) -> SourceTree:
    """Read a FHIR resource in JSON or XML into FHIR's JSON shape.

    Raises as `adapter.fhir.decode` does.
    """
    if media_type.partition(";")[0].strip().lower().endswith("xml"):
        from adapter.fhir import xml as fhir_xml

        return SourceTree(fhir_xml.read(body, budget), "fhir", place)
    tree = read(body, budget=budget)
    tree.format = "fhir"
    return tree


def place(steps: tuple[Step, ...], key: str | None, index: int | None) -> str:
    """Write a JSON pointer. RFC 6901."""
    parts: list[str] = []
    for name, at in (*steps, *(() if key is None else ((key, index),))):
        parts.append(name.replace("~", "~0").replace("/", "~1"))
        if at is not None:
            parts.append(str(at))
    return "".join(f"/{part}" for part in parts) or "/"
