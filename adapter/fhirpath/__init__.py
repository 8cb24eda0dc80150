"""FHIRPath 2.0 for FHIR R4, compiled to closures.

`compile_expression(text)` gives an `Expression`; calling that on a resource gives a list of FHIR JSON
values. The expression is parsed and typed once and asked many times; nothing here reads files, networks or
settings.
"""

from adapter.fhirpath.expression import Expression, compile_expression, compile_tree
from adapter.fhirpath.parser import parse, parse_prefix
from adapter.fhirpath.printer import print_tree
from adapter.fhirpath.run import Budget, Services
from adapter.fhirpath.values import Element

__all__ = [
    "Budget",
    "Element",
    "Expression",
    "Services",
    "compile_expression",
    "compile_tree",
    "parse",
    "parse_prefix",
    "print_tree",
]
