"""What every request of an operator has in common: a few words as JSON, a reason, a page of an answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from adapter.errors import Malformed, NotPermitted
from adapter.fhir import json as fhir_json
from adapter.server.budgets import DoorBudget, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

SMALL = DoorBudget(bytes=100_000, seconds=10)
"""An operator's request is a few words, or one Consent."""
LONGEST_PAGE = 500


async def read_object(request: Request) -> dict[str, Any]:
    """Read the operator's request: a JSON object. Raises Malformed (IN113) for anything else."""
    asked = fhir_json.read(await read_body(request, SMALL))
    if not isinstance(asked, dict):
        raise Malformed("IN113")
    return asked


async def read_words(request: Request) -> dict[str, str]:
    """Read a request whose values are all texts. Raises Malformed (IN113) for anything else."""
    asked = await read_object(request)
    if not all(isinstance(value, str) for value in asked.values()):
        raise Malformed("IN113")
    return {key: str(value) for key, value in asked.items()}


def reason_of(asked: Mapping[str, Any]) -> str:
    """Return the reason given. Raises NotPermitted (AC105) without one."""
    reason = asked.get("reason", "")
    if not isinstance(reason, str) or not reason.strip():
        raise NotPermitted("AC105")
    return reason.strip()


_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
"""What a database can count to."""


def limit_of(given: str | None) -> int:
    """Return how many items a page has: as asked, a hundred where nothing sensible was."""
    return min(int(given), LONGEST_PAGE) if given and _NUMBER.fullmatch(given) else 100


def number_of(given: str) -> int:
    """Return the number of a row. Raises Malformed (IN113) for anything else."""
    if not _NUMBER.fullmatch(given):
        raise Malformed("IN113")
    return int(given)


def moment_of(given: str | None) -> datetime | None:
    """Return a day or a moment; a day begins in UTC. Raises Malformed (IN113) for anything else."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
        return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Malformed("IN113") from None


def answer(value: dict[str, Any]) -> JSONResponse:
    """Return plain values of the store as JSON."""
    return JSONResponse(_plain(value))


def _plain(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    """Turn the store's values into JSON: times as text, tuples as lists."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held) for held in value]
    return value
