"""Profiles and their rules."""
