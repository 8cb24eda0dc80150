"""What one input may cost before we stop reading it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits for reading one document. A door makes a stricter one with `dataclasses.replace`."""

    bytes: int = 50_000_000
    depth: int = 64
    """Objects and arrays inside each other, as JSON counts them; FHIR itself needs fewer than 30."""
    elements: int = 2_000_000
    """Values of any kind: objects, arrays, strings, numbers; in XML elements and attributes."""
    text: int = 8_388_608
    """Bytes of one string, as it is written; bounds an attachment inside a resource."""
    digits: int = 128
    """Characters of one number."""
    exponent: int = 400
    """The largest exponent of a number, either sign. Numbers are never expanded, whatever this is."""
    attributes: int = 64
    """Attributes of one XML element."""


DEFAULT = Budget()
