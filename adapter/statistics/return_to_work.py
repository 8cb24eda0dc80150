"""Days from a procedure to the return to work, by procedure group.

A procedure is one that a notification says was done; its newest version counts, and none after a
cancellation. The return is the day that the newest feedback to that notification states
(Communication.inResponseTo). A procedure without such a feedback has no known return: it is counted as
missing, never left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from adapter.fhir.canonical import code_system, profile
from adapter.statistics.disclosure import SMALLEST
from adapter.statistics.quantiles import first_quartile, median, third_quartile
from adapter.statistics.table import Distribution, Groups, Line, summaries
from adapter.statistics.toike import INDICATOR
from adapter.statistics.unpacking import content, moment, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapter.fhir.json import Json, Resource
    from adapter.statistics.table import Table

PROCEDURE_CLASS = "urn:oid:1.2.246.537.6.2"
"""THL's procedure classification."""
LETTERS = 2
"""How much of a code names its group where no table does: chapter and region of the body."""

EVENT = code_system("message-event")
RETURN_DATE = profile("return-date")
DONE = "completed"
GONE = ("entered-in-error", "not-done")
CANCEL = "cancel"

Key = tuple[str, str]
"""System and value of the identifier of a notification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One procedure, and what is known of the return."""

    group: str | None
    day: date
    returned: date | None = None

    @property
    def days(self) -> int | None:
        """Days from procedure to return; None if the return is not known, or stated for before."""
        return (self.returned - self.day).days if self.returned and self.returned >= self.day else None

    @property
    def outcome(self) -> str:
        """`return-known`, `return-missing` or `return-contradictory`."""
        if self.returned is None:
            return "return-missing"
        return "return-contradictory" if self.days is None else "return-known"


@dataclass(slots=True)
class _Notified:
    version: str
    is_cancelled: bool
    procedure: Resource | None


def episodes(resources: Iterable[Resource], groups: Mapping[str, str] | None = None) -> list[Episode]:
    """Return the procedures among the message Bundles given, in Bundles of Bundles too.

    `groups`: the group of a procedure code, by prefix; the longest prefix counts.
    """
    notified: dict[Key, _Notified] = {}
    returned: dict[Key, tuple[str, date]] = {}
    for bundle in unpacked(resources):
        inside = content(bundle)
        communication = next((one for one in inside if one.get("resourceType") == "Communication"), None)
        if communication is None:
            continue
        sent = moment(communication.get("sent") or bundle.get("timestamp"))
        day = _return_date(communication)
        for key in map(_key, _answered(communication)):
            if day is not None and key is not None and returned.get(key, ("", day))[0] <= sent:
                returned[key] = (sent, day)
        for key in filter(None, map(_key, communication.get("identifier", ()))):
            made = _Notified(
                moment(bundle.get("timestamp")), _is_cancelled(bundle, communication), _procedure(bundle)
            )
            if made.procedure is not None or made.is_cancelled:
                before = notified.get(key)
                if before is None or before.version <= made.version:
                    notified[key] = made
    return list(_episodes(notified, returned, groups or {}))


def _episodes(
    notified: Mapping[Key, _Notified], returned: Mapping[Key, tuple[str, date]], groups: Mapping[str, str]
) -> Iterator[Episode]:
    for key, one in notified.items():
        day = None if one.procedure is None or one.is_cancelled else _performed(one.procedure)
        if one.procedure is not None and day is not None:
            back = returned[key][1] if key in returned else None
            yield Episode(group=_group(one.procedure, groups), day=day, returned=back)


def _answered(communication: Resource) -> Iterator[Json]:
    return (one.get("identifier") for one in communication.get("inResponseTo", ()))


def _key(identifier: Json) -> Key | None:
    if not isinstance(identifier, dict) or not identifier.get("value"):
        return None
    return str(identifier.get("system", "")), str(identifier["value"])


def _return_date(communication: Resource) -> date | None:
    stated = (
        one.get("valueDate") for one in communication.get("extension", ()) if one.get("url") == RETURN_DATE
    )
    return next((day for value in stated if (day := _date(value)) is not None), None)


def _is_cancelled(bundle: Resource, communication: Resource) -> bool:
    header: Resource = next(iter(content(bundle)), {})
    event = header.get("eventCoding", {})
    is_cancel = event.get("system") == EVENT and event.get("code") == CANCEL
    return is_cancel or communication.get("status") in GONE


def _procedure(bundle: Resource) -> Resource | None:
    """Return the first procedure of a message that was done."""
    done = (one for one in content(bundle) if one.get("resourceType") == "Procedure")
    return next((one for one in done if one.get("status") == DONE), None)


def _performed(procedure: Resource) -> date | None:
    period = procedure.get("performedPeriod", {})
    return _date(procedure.get("performedDateTime") or period.get("end") or period.get("start"))


def _date(value: Json) -> date | None:
    """Return the day of a date or dateTime; None if it is less than a day."""
    text = str(value or "")[:10]
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _group(procedure: Resource, groups: Mapping[str, str]) -> str | None:
    codings = procedure.get("code", {}).get("coding", ())
    code = next(
        (str(one["code"]) for one in codings if one.get("system") == PROCEDURE_CLASS and "code" in one), None
    )
    if code is None or not groups:
        return code and code[:LETTERS]
    found = [prefix for prefix in groups if code.startswith(prefix)]
    return groups[max(found, key=len)] if found else None


def return_to_work(found: Iterable[Episode], smallest: int = SMALLEST) -> Table:
    """Return the table. `smallest`: the smallest count that is shown, but for none."""
    rows = list(found)
    years = sorted(one.day.year for one in rows)
    groups = Groups[Episode].of(rows, lambda one: one.group, smallest)
    return groups.table("return-to-work", _lines(groups), (years[0], years[-1]) if years else None)


def _lines(groups: Groups[Episode]) -> Iterator[Line]:
    yield Line(system=INDICATOR, code="procedures", unit="1", figures=groups.sizes())
    answered = Distribution.of(groups, lambda one: one.days is not None, (True, False))
    measures = {
        "return-first-quartile": (first_quartile, 2),
        "return-median": (median, 1),
        "return-third-quartile": (third_quartile, 2),
    }
    for code, figures in summaries(groups, lambda one: one.days, answered, measures).items():
        yield Line(system=INDICATOR, code=code, unit="d", figures=figures)
    classes = ("return-known", "return-missing", "return-contradictory")
    found = Distribution.of(groups, lambda one: one.outcome, classes)
    for code in classes[1:]:
        shares = {column: found.share(column, code) for column in groups.rows}
        yield Line(system=INDICATOR, code=code, unit="%", figures=shares)
