"""A part of a rule: a description that can write itself into a script."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from adapter.mapping.fml.compiler.script import Script


class Part(Protocol):
    """Something that a rule does."""

    def write(self, script: Script) -> None:
        """Write it."""


def write_all(script: Script, parts: Iterable[Part]) -> None:
    """Write parts in their order."""
    for part in parts:
        part.write(script)


def held(script: Script, slot: int) -> AbstractContextManager[None]:
    """Open a block for what needs a value in a variable, unless it surely has one."""
    return nullcontext() if script.is_sure(slot) else script.block(f"if v{slot} is not None:")
