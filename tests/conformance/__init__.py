"""Actors and suites."""
