"""Readers, the mapping language, lineage."""
