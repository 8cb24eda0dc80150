"""Where files are taken in: a watched folder, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """One watched folder."""

    path: Path
    source: str
    """Name of the configured source whose files come there."""
