"""Which process a node is, in words that prove to others on the same machine when it is dead.

A lease is taken back before its time only where nobody can be sending under it any more. A lost connection
does not prove that; a process that has gone does. The words name the machine's boot, the process-id space,
the process id, and when it started, so that a reused id is not taken for the old process. Another machine,
or one without /proc, proves nothing: there the lease runs to its end.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_STARTED = 19
"""Place of the start time among the fields of /proc/PID/stat that follow the command; proc(5), field 22."""


def here(pid: int | None = None) -> str | None:
    """Return the words of a process of this machine (None: this one); None where they cannot be had."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        space = (_PROC / "self/ns/pid").readlink()
        return f"{boot} {space} {pid or os.getpid()} {_started(pid or os.getpid())}"
    except OSError:
        return None


def is_dead(words: str | None) -> bool:
    """Return True if the process of these words is proven to be gone."""
    mine = here()
    if words is None or mine is None:
        return False
    boot, space, pid, _ = words.split(" ")
    if [boot, space] != mine.split(" ")[:2]:
        return False
    now = here(int(pid))
    return now != words


def _started(pid: int) -> str:
    """A process that has ended and is not yet waited for has started never: it sends nothing."""
    after_command = (_PROC / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return "never" if after_command[0] in "ZX" else after_command[_STARTED]
