"""Measures over what was relayed, with disclosure control."""
