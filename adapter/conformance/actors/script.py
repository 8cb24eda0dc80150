"""The script of a stub: which answer comes next, by a list, by a rule or by a marker in the receiver's id.

A script file is TOML. `answers` are given in order and the last one repeats; a `[[when]]` table with `event`
or `receiver` has its own row of answers for the messages it fits.

    answers = ["503", "ok"]

    [[when]]
    event = "cancel"
    answers = ["fatal-error"]

A marker at the end of the receiver's identifier stands above any script, so that a partner can choose the
answer from outside: `-500`, `-timeout`, `-dup`, `-reject`.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Act(StrEnum):
    """What a stub does with a message."""

    OK = "ok"
    TRANSIENT_ERROR = "transient-error"
    FATAL_ERROR = "fatal-error"
    STATUS_400 = "400"
    STATUS_401 = "401"
    STATUS_429 = "429"
    STATUS_500 = "500"
    STATUS_503 = "503"
    TIMEOUT = "timeout"
    """Says nothing for a long time."""
    GARBAGE = "garbage"
    """Answers 200 with a web page."""
    LOST_ANSWER = "lost-answer"
    """Keeps the message but answers 503 the first time; the repeat gets the answer that was lost."""


MARKERS: dict[str, Act] = {
    "-500": Act.STATUS_500,
    "-timeout": Act.TIMEOUT,
    "-dup": Act.LOST_ANSWER,
    "-reject": Act.FATAL_ERROR,
}
"""Endings of a receiver's identifier, and what they ask for."""

_CONDITIONS = ("event", "receiver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row of answers for the messages that fit `event` and `receiver`; None fits any."""

    answers: tuple[Act, ...]
    event: str | None = None
    receiver: str | None = None

    def fits(self, event: str | None, receiver: str | None) -> bool:
        """Say whether a message of this event to this receiver takes its answer here."""
        return self.event in (None, event) and self.receiver in (None, receiver)


@dataclass(slots=True)
class Script:
    """Rules in order of precedence, and how far each has been played."""

    rules: tuple[Rule, ...] = (Rule(answers=(Act.OK,)),)
    _played: Counter[int] = field(default_factory=Counter)

    def next(self, *, event: str | None, receiver: str | None) -> Act:
        """Return what to do with the next message."""
        marked = marker(receiver)
        if marked is not None:
            return marked
        for number, rule in enumerate(self.rules):
            if rule.fits(event, receiver):
                step = min(self._played[number], len(rule.answers) - 1)
                self._played[number] += 1
                return rule.answers[step]
        return Act.OK


def marker(receiver: str | None) -> Act | None:
    """Return the act that the end of a receiver's identifier asks for, None without a marker."""
    return next((act for ending, act in MARKERS.items() if receiver and receiver.endswith(ending)), None)


def read(path: Path) -> Script:
    """Read a script file.

    Raises ConfigurationError with every fault of it.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError("KT121", at=str(path), params={"what": "file"}) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError("KT121", at=str(path), params={"what": "TOML"}) from error
    faults = list(_faults(table, str(path)))
    if faults:
        raise ConfigurationError("KT121", at=str(path), params={"what": "script"}, issues=faults)
    rules = [_rule(when) for when in table.get("when", ())]
    if "answers" in table:
        rules.append(_rule({"answers": table["answers"]}))
    return Script(tuple(rules))


def _rule(when: Mapping[str, Any]) -> Rule:
    return Rule(
        answers=tuple(Act(answer) for answer in when["answers"]),
        event=when.get("event"),
        receiver=when.get("receiver"),
    )


def _faults(table: Mapping[str, Any], path: str) -> Iterator[Issue]:
    """Yield what is wrong with a script: unknown keys, empty or unknown answers."""
    whens = table.get("when", [])
    known = {"answers", "when"}
    yield from (Issue("KT122", path, {"key": key}) for key in table if key not in known)
    rows = [*whens] if isinstance(whens, list) else []
    if "answers" in table or not rows:
        rows.append({"answers": table.get("answers", [])})
    for row in rows:
        keys = row if isinstance(row, dict) else {}
        yield from (
            Issue("KT122", path, {"key": key}) for key in keys if key not in ("answers", *_CONDITIONS)
        )
        answers = keys.get("answers")
        if not isinstance(answers, list) or not answers:
            yield Issue("KT123", path)
            continue
        acts = ", ".join(Act)
        yield from (Issue("KT124", path, {"acts": acts}) for answer in answers if answer not in list(Act))
