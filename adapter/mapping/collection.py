"""Work during which Python's collector of cyclic garbage rests.

A source, its result and a map that is read are thousands of objects with hardly a cycle among them. The
collector looks through them again and again, and finds them alive; what they leave dies by itself when its
last owner does. Mercurial and others let the collector rest in the same way.
"""

from __future__ import annotations

import gc
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def uncollected(work: Callable[P, T]) -> Callable[P, T]:
    """Return `work` as what the collector does not interrupt; where it rests already, it goes on to."""

    @wraps(work)
    def working(*arguments: P.args, **named: P.kwargs) -> T:
        if not gc.isenabled():
            return work(*arguments, **named)
        gc.disable()
        try:
            return work(*arguments, **named)
        finally:
            gc.enable()

    return working
