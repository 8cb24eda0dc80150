"""FHIR Mapping Language: tokens, tree, parser, printer, and the compiler to Python functions."""
