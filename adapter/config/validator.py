"""The validator of the doors: R4, our profiles, packages of the deployment, no quarrel over extensions.

What a sender adds in extensions that no package here defines is no cause to refuse a message: R4 lets
everybody extend, disclosure lists what goes on, and nothing unknown does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.validation.library import Source


class OrderlyValidator(Validator):
    """A validator that tolerates unknown extensions."""

    def __init__(self, packages: Iterable[Source] = (), **options: Any) -> None:  # noqa: ANN401
        super().__init__(packages, **{**options, "tolerate": ("unknown-extensions",)})
