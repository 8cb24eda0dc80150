"""Where the shipped folders are: `profiles/`, `mappings/` and `fixtures/`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

ShippedFolder = Literal["profiles", "mappings", "fixtures"]


def folder(name: ShippedFolder) -> Path:
    """Return the folder as installed with the package, else as it stands in the checkout.

    An editable install does not see the files that the wheel carries, hence the second place.

    Raises FileNotFoundError if neither is there.
    """
    package = Path(__file__).parent
    for place in (package / "_shipped" / name, package.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(name)
