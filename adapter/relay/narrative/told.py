"""What a narrative says that does not stand in the resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.outcome import Language
    from adapter.relay.message import Level, Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the narrative says that does not stand in the resources."""

    language: Language
    level: Level
    meaning: Meaning
    is_correction: bool
    """True if it replaces a notification sent earlier."""
    sender: str | None
    basis: str | None
    is_protected: bool
    """True if the person's address is protected."""
