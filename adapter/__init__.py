"""Silta: a FHIR R4 adapter between patient systems."""

__version__ = "0.1.0"
