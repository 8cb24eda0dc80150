"""A result as JSON of the receiver's own shape: names and order as the map writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir import json as fhir_json
from adapter.mapping.finish import finished

if TYPE_CHECKING:
    from adapter.mapping.run import Made


def write(made: Made) -> bytes:
    """Write a document in UTF-8, indented, without what is empty. RFC 8259.

    Raises Malformed for what JSON cannot say: a lone surrogate.
    """
    return fhir_json.write(finished(made), pretty=True) + b"\n"
