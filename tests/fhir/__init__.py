"""The standard: codec, types, packages."""
