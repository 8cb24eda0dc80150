"""Where our own definitions live: the one constant that names the canonical base; and the system of URIs."""

from __future__ import annotations

BASE = "https://silta.example/fhir"
"""Base of every profile, code system, value set and map of ours; rewritten when a package is built."""

URI = "urn:ietf:rfc:3986"
"""System of identifiers that are URIs. R4 Identifier.system."""


def profile(name: str) -> str:
    """Return the canonical of our profile `name`."""
    return f"{BASE}/StructureDefinition/{name}"


def code_system(name: str) -> str:
    """Return the canonical of our code system `name`."""
    return f"{BASE}/CodeSystem/{name}"


def structure_map(name: str) -> str:
    """Return the canonical of our map `name`."""
    return f"{BASE}/StructureMap/{name}"
