"""Originals read in processes of their own, so that none can hold up or bring down the doors.

What strangers send is decoded, mapped and judged there, within bounds of processor time and memory;
decisions, commits and deliveries stay here. A process that an original has ended is replaced, and its sender
told.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError, StoreError, TooCostly
from adapter.mapping.version import version_of
from adapter.server import log
from adapter.server.reading_process import Failure, Order, start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter.outcome import Issue
    from adapter.relay.intake.reader import Content, Reader, Trace
    from adapter.relay.message import Submission
    from adapter.relay.source import Source
    from adapter.server.budgets import ReadingBudget

LONGEST_WAIT = 60
"""Seconds for an answer, however busy the machine: reading has a bound of its own in processor time."""
TRIES = 2
"""Processes that one original may end before it is given up; one may end for reasons of the machine."""


class ReadingError(Exception):
    """An error of our own in a process that reads; its frames are those of that process."""


class _EndedError(Exception):
    """A process is gone."""


@dataclass(slots=True)
class _Process:
    """One process at work."""

    number: int
    connection: Connection
    maps: int
    """How often maps had been renewed when it was started."""
    has_read: bool = False
    """True if it has answered before."""

    @classmethod
    def of(cls, number: int, handle: int, maps: int) -> _Process:
        """Take over the connection to a process that was started."""
        with socket.socket(fileno=handle) as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", LONGEST_WAIT, 0))
            return cls(number, Connection(end.detach()), maps)

    def ask(self, verb: str, source: Source | None, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Return its answer: what was read, or why not.

        Raises _EndedError if it is gone, StoreError (IN112) if the answer does not come.
        """
        try:
            self.connection.send((verb, source.name if source is not None else None, arguments))
            answer = self.connection.recv()
        except BlockingIOError as error:
            os.kill(self.number, signal.SIGKILL)
            raise StoreError("IN112") from error
        except (EOFError, OSError) as error:
            raise _EndedError from error
        self.has_read = True
        return answer


@dataclass(slots=True, kw_only=True)
class Readers:
    """Processes that read, as many as there are processors; each is started when it is first needed."""

    own: Reader
    """Reads in this process, should no other be to be had."""
    budget: ReadingBudget
    number: int
    """Process that starts the others."""
    is_lost: bool = False
    """True if this process reads, for those that start others are gone or have other maps."""
    _starter: Connection
    _idle: list[_Process] = field(default_factory=list)
    _renewed: int = 0
    _asking: Lock = field(default_factory=Lock)
    """Held while the starter is talked to."""
    _places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(max(2, os.cpu_count() or 1)))

    @classmethod
    def begin(cls, reader: Reader, renew: Callable[[], object], budget: ReadingBudget) -> Readers:
        """Fork what starts them; to be called before this process has a second thread.

        `renew`: reads the maps of `reader` again, in the process that starts the others.
        """
        ours, theirs = Pipe()
        number = os.fork()
        if number == 0:
            ours.close()
            start(theirs, reader, renew, budget)
        theirs.close()
        return cls(own=reader, budget=budget, number=number, _starter=ours)

    def read(self, original: Submission, source: Source) -> Content:
        """See `Reading.read`.

        Raises TooCostly (IN124) for what takes more than its share of processor or memory, StoreError (IN112)
        if the machine is too busy to read at all, or kills what reads.
        """
        return self._asked("read", source, (original, source))  # type: ignore[no-any-return]

    def trace(self, original: Submission, source: Source, places: Sequence[str]) -> Trace | None:
        """See `Reading.trace`; raises as `read`."""
        return self._asked("trace", source, (original, source, places))  # type: ignore[no-any-return]

    def judge(
        self, body: bytes, media_type: str, resource_type: str | None, profile: str | None
    ) -> list[Issue]:
        """See `Reading.judge`; raises as `read`."""
        asked = (body, media_type, resource_type, profile)
        return self._asked("judge", None, asked)  # type: ignore[no-any-return]

    def renew(self) -> None:
        """Read by the maps as they are here now; what is being read ends with those it began with."""
        versions = {one.name: version_of(one) for one in self.own.maps}
        if self._told(Order.RENEW) == versions:
            self.is_lost = False
        else:  # the folder has changed again in between: until they have what is in use here
            self._lose()
        self._renewed += 1
        while (process := self._waiting()) is not None:
            self._end(process)

    def close(self) -> None:
        """Let them go, and wait until they are gone."""
        self.is_lost = True
        while (process := self._waiting()) is not None:
            process.connection.close()
        self._starter.close()
        os.waitpid(self.number, 0)

    def _asked(self, verb: str, source: Source | None, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        ended = 0
        while ended < TRIES:
            with self._places:
                process = self._taken(source)
                if process is None:
                    return getattr(self.own, verb)(*arguments)
                had_read = process.has_read
                try:
                    answer = process.ask(verb, source, arguments)
                except _EndedError:
                    why = self._end(process)
                    name = source.name if source is not None else verb
                    log.say("reading-ended", level=logging.ERROR, source=name, about=why)
                    # One that had read others may have gone before it heard of this one.
                    ended += TRIES if why == signal.SIGPROF.name else not had_read
                    if ended >= TRIES and why == signal.SIGKILL.name:  # nothing in an original does that
                        raise StoreError("IN112") from None
                except StoreError:
                    self._end(process)
                    raise
                else:
                    self._put_back(process)
                    return _raised(answer)
        raise TooCostly(
            "IN124", params={"seconds": f"{self.budget.seconds:g}", "megabytes": self.budget.megabytes}
        )

    def _taken(self, source: Source | None) -> _Process | None:
        """Return a process that waits for work, else a new one; None if none can be started any more."""
        waiting = self._waiting()
        if waiting is not None or self.is_lost:
            return waiting
        with self._asking:
            try:
                self._starter.send((Order.START, source))
                return _Process.of(self._starter.recv(), recv_handle(self._starter), self._renewed)
            except (EOFError, OSError):
                pass
        self._lose()
        return None

    def _waiting(self) -> _Process | None:
        try:
            return self._idle.pop()
        except IndexError:  # another thread has it
            return None

    def _put_back(self, process: _Process) -> None:
        if process.maps == self._renewed:
            self._idle.append(process)
        else:
            self._end(process)

    def _end(self, process: _Process) -> str | None:
        """Let a process go; returns the signal that ended it before, if one did."""
        process.connection.close()
        status = self._told(Order.WHY, process.number)
        is_by_signal = isinstance(status, int) and os.WIFSIGNALED(status)
        return signal.Signals(os.WTERMSIG(status)).name if is_by_signal else None

    def _told(self, order: Order, argument: object = None) -> Any:  # noqa: ANN401  (what it was asked)
        """Ask the starter; None if it is gone."""
        with self._asking:
            try:
                self._starter.send((order, argument))
                return self._starter.recv()
            except (EOFError, OSError):
                return None

    def _lose(self) -> None:
        """Go on in this process: nobody is turned away because those that start processes are gone."""
        if not self.is_lost:
            self.is_lost = True
            log.say("reading-processes-lost", level=logging.ERROR)


def _raised(answer: Any) -> Any:  # noqa: ANN401  (what was read)
    """Return what was read; raise what was raised."""
    if isinstance(answer, AdapterError):
        raise answer
    if isinstance(answer, Failure):
        log.say("reading-failed", level=logging.ERROR, error=answer.error, frames=answer.frames)
        raise ReadingError(answer.error)
    return answer
