"""The validator as many threads may use it: one at a time.

It compiles types and profiles when it first meets them, and what is half compiled must not be seen by another
thread, which would refuse a good message for want of a profile. Nothing is lost by waiting: validation is
Python from end to end, and the interpreter runs one thread of that at a time anyway.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from adapter.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.outcome import Issue
    from adapter.validation.library import Source


class OrderlyValidator(Validator):
    """A validator that takes one resource at a time."""

    def __init__(self, packages: Iterable[Source] = (), **options: Any) -> None:  # noqa: ANN401
        super().__init__(packages, **options)
        self._turn = Lock()

    def validate(self, resource: Any, profile: str | None = None) -> list[Issue]:  # noqa: ANN401
        """Return all that is wrong with a resource; see `Validator.validate`."""
        with self._turn:
            return super().validate(resource, profile)
