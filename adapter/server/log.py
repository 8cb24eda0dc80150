"""What the process says of itself: one JSON line per event, of listed keys only.

A log line holds ids, codes, names of definitions and numbers. It never holds a URL with its query, a header,
a body, or the text of an exception: those may quote a patient. Of an exception only its class and the lines
of our own code it went through are told.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KEYS = frozenset(
    {
        "request",
        "method",
        "route",
        "status",
        "milliseconds",
        "organisation",
        "operator",
        "user",
        "source",
        "message",
        "error_id",
        "error",
        "frames",
        "code",
        "address",
        "delivered",
        "mode",
        "version",
        "node",
        "outcome",
        "maps",
        "cases",
        "file",
        "line",
        "about",
    }
)
"""What a line may carry beside time, level and event. A key that is not here is not written."""

LONGEST_VALUE = 1000
"""Characters of one value."""

_PACKAGE = Path(__file__).parent.parent
_LOGGER = logging.getLogger("silta")
_PLAIN_LINE = re.compile(r"[^\x20-\x7e\u00a0-\u2027\u202a-\U0010ffff]")


def say(event: str, *, level: int = logging.INFO, **values: Any) -> None:  # noqa: ANN401  (any JSON value)
    """Write one line: what happened, and the values whose keys are listed."""
    _LOGGER.log(level, event, extra={"values": values})


def say_error(event: str, error: BaseException, **values: Any) -> None:  # noqa: ANN401  (any JSON value)
    """Write one line about an exception: its class and where in our code, never its text."""
    say(event, level=logging.ERROR, error=type(error).__name__, frames=frames(error), **values)


def frames(error: BaseException) -> list[str]:
    """Return the lines of our own code that `error` went through, the outermost first."""
    steps = traceback.extract_tb(error.__traceback__)
    ours = [step for step in steps if Path(step.filename).is_relative_to(_PACKAGE)]
    return [
        f"{Path(step.filename).relative_to(_PACKAGE.parent).as_posix()}:{step.lineno} {step.name}"
        for step in ours
    ]


class Lines(logging.Formatter):
    """Makes a log record one JSON line of listed keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; other loggers' records give their place only, not their words."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name != _LOGGER.name and not record.name.startswith("adapter."):
            line |= {"event": "library", "logger": record.name, "where": f"{record.module}:{record.lineno}"}
            if record.exc_info and record.exc_info[1] is not None:
                line |= {"error": type(record.exc_info[1]).__name__, "frames": frames(record.exc_info[1])}
            return json.dumps(line)
        values = getattr(record, "values", {})
        line["event"] = record.getMessage()
        line |= {key: _plain(value) for key, value in values.items() if key in KEYS and value is not None}
        return json.dumps(line, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    """Cut long texts, and take out what could end the line or move the cursor of a terminal."""
    if isinstance(value, str):
        return _PLAIN_LINE.sub("?", value[:LONGEST_VALUE])
    return [_plain(one) for one in value] if isinstance(value, list) else value


def to_stderr(level: int = logging.INFO) -> None:
    """Send our lines to stderr, and of the libraries only warnings, without their words."""
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [writer]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level)
