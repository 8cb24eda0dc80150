"""The processes that read originals, seen from inside: one that starts them, and each at its work.

A starter is forked while the program has one thread only, with maps and profiles loaded; it forks a process
whenever one is asked for, so that none starts among threads. What reads has bounds of processor time and
memory for each original, and no network: the kernel ends the process that goes beyond, and nothing else.
Neither writes a log or a traceback: those who asked are told.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from dataclasses import dataclass
from enum import Enum
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.mapping.version import version_of
from adapter.server.log import frames

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from typing import NoReturn

    from adapter.relay.intake.reader import Reader
    from adapter.server.budgets import ReadingBudget


_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn")
"""Audit events of what reading never needs. PEP 578."""


class Order(Enum):
    """What the starter can be asked for."""

    START = "start"
    """Start a process that will read for a source."""
    WHY = "why"
    """Tell how a process ended."""
    RENEW = "renew"
    """Read the maps again for those that are started from now on."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of our own while reading: its class and the lines of our code, never its text."""

    error: str
    frames: list[str]


def start(
    connection: Connection, reader: Reader, renew: Callable[[], object], budget: ReadingBudget
) -> NoReturn:
    """Start processes as they are asked for, until who asks is gone; never returns."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who asks decides when it is over, by going
    gc.freeze()
    try:
        while True:
            order, argument = connection.recv()
            if order is Order.START:
                if argument is not None:
                    reader.prepare(argument)
                _fork(connection, reader, budget)
            elif order is Order.WHY:
                connection.send(os.waitpid(argument, 0)[1])
            else:
                renew()
                connection.send({one.name: version_of(one) for one in reader.maps})
    finally:
        os._exit(0)


def _fork(starter: Connection, reader: Reader, budget: ReadingBudget) -> None:
    """Fork a process that reads, and hand the other end of its connection over after its number."""
    ours, theirs = Pipe()
    process = os.fork()
    if process == 0:
        starter.close()
        theirs.close()
        _read(ours, reader, budget)
    ours.close()
    starter.send(process)
    send_handle(starter, theirs.fileno(), os.getppid())
    theirs.close()


def _read(connection: Connection, reader: Reader, budget: ReadingBudget) -> NoReturn:
    """Answer one original after the other, until who asks is gone; never returns."""
    try:
        _confine(budget)
        met = set()
        while True:
            verb, source, arguments = connection.recv()
            is_first = source is None or (verb, source) not in met
            signal.setitimer(signal.ITIMER_PROF, budget.seconds * (budget.first if is_first else 1))
            answer = _answer(getattr(reader, verb), arguments)
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send(answer)
            met.add((verb, source))
    finally:
        # Also for want of memory: whoever asked sees that the connection has ended.
        os._exit(1)


def _answer(verb: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401  (what was read)
    """Return what was read, or why not."""
    try:
        return verb(*arguments)
    except AdapterError as error:
        return error
    except MemoryError:
        raise
    except Exception as error:  # told to whoever asked, and raised there
        return Failure(type(error).__name__, frames(error))


def _confine(budget: ReadingBudget) -> None:
    """Bound processor time, memory and reach: a step beyond ends this process, or the step."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        most = pages * resource.getpagesize() + budget.megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold what patients' records say
    sys.addaudithook(_forbid)


def _forbid(event: str, _arguments: tuple[object, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(event)
