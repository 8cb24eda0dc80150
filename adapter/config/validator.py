"""The validator of the doors: R4, our profiles, packages of the deployment, no quarrel over extensions.

What a sender adds in extensions that no package here defines is no cause to refuse a message: R4 lets
everybody extend, disclosure lists what goes on, and nothing unknown does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.validation.library import Source


def door_validator(packages: Iterable[Source] = ()) -> Validator:
    """Return one validator for all doors and threads of a process."""
    return Validator.shipped(packages, tolerate=["unknown-extensions"])
