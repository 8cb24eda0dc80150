"""The functions of FHIRPath and of FHIR, by theme. Importing this package fills the register."""

from adapter.fhirpath.functions import (
    collections,
    conversion,
    fhir,
    filtering,
    math,
    reflection,
    strings,
    tree,
    utility,
)

__all__ = [
    "collections",
    "conversion",
    "fhir",
    "filtering",
    "math",
    "reflection",
    "strings",
    "tree",
    "utility",
]
