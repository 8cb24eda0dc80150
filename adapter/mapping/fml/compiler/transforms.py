"""The transforms of FML, one function each: parameters in, value out.

`TRANSFORMS` names how many parameters each takes, the type of what it gives, and its function. A function
gets the run, the rule's mark and the values of its parameters; None means that there is nothing, and gives
nothing. FHIR R4 StructureMap, map-transform; mapping language guide, Transforms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhir.budget import DEFAULT
from adapter.fhir.decimals import ExactDecimal
from adapter.mapping import moments, patterns
from adapter.mapping.conceptmap import Unfound
from adapter.mapping.nodes import Item, Primitive, leaf_key, says_nothing
from adapter.mapping.run import Made, RunFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from adapter.mapping.conceptmap import ConceptMap
    from adapter.mapping.models import Shape
    from adapter.mapping.run import RuleMark, Run

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_TRUTH = {"true": True, "1": True, "Y": True, "y": True, "false": False, "0": False, "N": False, "n": False}
_QUANTITY = re.compile(
    r"(?P<comparator><=|>=|<|>)?\s*+(?P<value>[+-]?\d++(?:[.,]\d++)?+)\s*+(?P<unit>\S.*)?", re.ASCII
)
_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_EMAIL = re.compile(r"[^@\s]++@(?:[^@\s.]++\.)++[^@\s.]++")
_PHONE = re.compile(r"\+?[\d\s()./-]{3,}")


@dataclass(frozen=True, slots=True)
class Transform:
    """One row of the table."""

    least: int
    most: int | None
    kind: str | None
    run: Callable[..., Item]


def plain(value: Item) -> Item:
    """Return the leaf that stands for `value`: of a field its first component, of an element its text.

    None where the sender gave none: an empty first component, a nullFlavor instead of a text.

    Raises RunFault MP311 if the value has parts but no such leaf, MP312 if there are several values.
    """
    if isinstance(value, list):
        if len(value) > 1:
            raise RunFault("MP312", count=len(value))
        value = value[0] if value else None
    if isinstance(value, dict):
        key = leaf_key(value)
        if key is None:
            if not value or isinstance(value, Primitive) or says_nothing(value):
                return None
            raise RunFault("MP311")
        return plain(dict.__getitem__(value, key))
    return value


def text(value: Item) -> str | None:
    """Return `value` as text: booleans in lower case, numbers as they are written."""
    value = plain(value)
    if value is None or value.__class__ is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def copy_of(value: Item) -> Item:
    """Copy a value with everything below it, so that no two places of a result are one."""
    if isinstance(value, Made):
        made = Made(value.shape)
        for key, one in value.items():
            made[key] = copy_of(one)
        return made
    if isinstance(value, Primitive):
        return value.get("value")
    if isinstance(value, dict):
        return {key: copy_of(one) for key, one in value.items()}
    if isinstance(value, list):
        return [copy_of(one) for one in value]
    return value


def truncate(_: Run, __: RuleMark, value: Item, length: Item) -> str | None:
    """Return the first `length` characters of a text."""
    whole, most = text(value), to_integer(plain(length))
    if most < 0:
        raise RunFault("MP321", type="integer")
    return None if whole is None else whole[:most]


def append(_: Run, __: RuleMark, *values: Item) -> str | None:
    """Join texts; nothing if one of them is absent, because half an identifier is none."""
    parts = [text(value) for value in values]
    return None if None in parts else "".join(part for part in parts if part)


def reference(run: Run, mark: RuleMark, target: Item) -> str | None:
    """Return `Type/id`."""
    if not isinstance(target, dict):
        return text(target)
    kind = target.get("resourceType")
    if kind is None:
        raise RunFault("MP313")
    return f"{kind}/{_id_of(run, mark, target)}"


def pointer(run: Run, mark: RuleMark, target: Item) -> str | None:
    """Return `urn:uuid:id`, for fullUrl and for references inside of a Bundle."""
    if not isinstance(target, dict):
        return text(target)
    if target.get("resourceType") is None:
        raise RunFault("MP313")
    return f"urn:uuid:{_id_of(run, mark, target)}"


def _id_of(run: Run, mark: RuleMark, target: dict[str, Item]) -> str:
    known = target.get("id")
    if known is None:
        known = target["id"] = run.uuid(mark.map, f"{mark.path}#id")
    return str(plain(known))


def uuid(run: Run, mark: RuleMark) -> str:
    """Return the next deterministic id of this rule."""
    return run.uuid(mark.map, mark.path)


def cast(run: Run, mark: RuleMark, value: Item, kind: Item) -> Item:
    """Read a leaf as the type that the map names."""
    value = plain(value)
    if value is None or value == "":
        return None
    return _CASTS[str(kind)](run, mark, value)


def _date(run: Run, mark: RuleMark, value: Item) -> str:
    try:
        return moments.read_date(str(value))
    except moments.NotATime:
        raise RunFault("MP321", type="date") from None


def _moment(kind: str) -> Callable[[Run, RuleMark, Item], str]:
    read = moments.read_instant if kind == "instant" else moments.read

    def cast_moment(run: Run, mark: RuleMark, value: Item) -> str:
        try:
            written, note = read(str(value), run.zone)
        except moments.NotATime:
            raise RunFault("MP321", type=kind) from None
        if note is not None:
            run.fault(note, mark, None)
        return written

    return cast_moment


def _timestamp(_: Run, __: RuleMark, value: Item) -> str:
    try:
        return moments.as_hl7(str(value))
    except moments.NotATime:
        raise RunFault("MP321", type="TS") from None


def _time(_: Run, __: RuleMark, value: Item) -> str:
    match = re.fullmatch(r"([01]\d|2[0-3]):?([0-5]\d)(?::?([0-5]\d)(\.\d+)?)?", str(value).strip(), re.ASCII)
    if match is None:
        raise RunFault("MP321", type="time")
    return f"{match[1]}:{match[2]}:{match[3] or '00'}{match[4] or ''}"


def reading(kind: str) -> Callable[..., Item]:
    """Return the transform that reads a date or time, by a pattern or as HL7 and ISO write it."""

    def read(run: Run, mark: RuleMark, value: Item, pattern: Item = None) -> Item:
        if pattern is None:
            return cast(run, mark, value, kind)
        return _by_pattern(run, mark, value, pattern, kind)

    return read


def _by_pattern(run: Run, mark: RuleMark, value: Item, pattern: Item, kind: str) -> str | None:
    written, form = text(value), text(pattern)
    if not written or form is None:
        return None
    note: str | None = None
    try:
        if kind == "dateTime":
            found, note = patterns.date_time(written, form, run.zone)
        else:
            found = (patterns.date if kind == "date" else patterns.time)(written, form)
    except patterns.UnknownPattern as unknown:
        raise RunFault("MP322", part=str(unknown)) from None
    except moments.NotATime:
        raise RunFault("MP321", type=kind) from None
    if note is not None:
        run.fault(note, mark, None)
    return found


def unix_to(form: Callable[[datetime], str]) -> Callable[..., str | None]:
    """Return the transform of milliseconds since 1970 to what `form` writes of the moment."""

    def convert(_: Run, __: RuleMark, value: Item, offset: Item = None) -> str | None:
        ticks = plain(value)
        if ticks is None:
            return None
        try:
            return form(patterns.from_unix(to_integer(ticks), text(offset)))
        except moments.NotATime:
            raise RunFault("MP321", type="dateTime") from None

    return convert


def _clock(moment: datetime) -> str:
    return moment.time().isoformat("milliseconds" if moment.microsecond else "seconds")


def _whole(moment: datetime) -> str:
    offset = moment.strftime("%z")
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
    return f"{moment.date().isoformat()}T{_clock(moment)}{zone}"


def to_integer(value: Item) -> int:
    """Read a whole number. Raises RunFault MP321."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= DEFAULT.digits and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise RunFault("MP321", type="integer")


def to_decimal(value: Item) -> Item:
    """Read a number; its digits stay as they are written.

    Raises RunFault MP321, also for one that no reader of FHIR here would take: too many digits, or too large
    an exponent.
    """
    if isinstance(value, (int, ExactDecimal)) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        number = value.strip()
        match = _NUMBER.fullmatch(number) if len(number) <= DEFAULT.digits else None
        if match is not None and abs(int((match[2] or "e0")[1:])) <= DEFAULT.exponent:
            # JSON knows neither a plus sign nor leading zeros.
            return ExactDecimal(re.sub(r"^\+?(-?)0+(?=\d)", r"\1", number).removeprefix("+"))
    raise RunFault("MP321", type="decimal")


def to_boolean(value: Item) -> bool:
    """Read true or false, also as HL7 writes them (Y, N). Raises RunFault MP321."""
    if isinstance(value, bool):
        return value
    truth = _TRUTH.get(value) if isinstance(value, str) else None
    if truth is None:
        raise RunFault("MP321", type="boolean")
    return truth


def _within(value: Item, kind: str, least: int) -> int:
    whole = to_integer(value)
    if not least <= whole < 2**31:
        raise RunFault("MP321", type=kind)
    return whole


def _as_text(_: Run, __: RuleMark, value: Item) -> str | None:
    return text(value)


_CASTS: dict[str, Callable[[Run, RuleMark, Item], Item]] = {
    "date": _date,
    "dateTime": _moment("dateTime"),
    "instant": _moment("instant"),
    "TS": _timestamp,
    "time": _time,
    "decimal": lambda _, __, value: to_decimal(value),
    "boolean": lambda _, __, value: to_boolean(value),
    "integer": lambda _, __, value: _within(value, "integer", -(2**31)),
    "unsignedInt": lambda _, __, value: _within(value, "unsignedInt", 0),
    "positiveInt": lambda _, __, value: _within(value, "positiveInt", 1),
    **dict.fromkeys(
        ("string", "code", "id", "uri", "url", "oid", "uuid", "canonical", "markdown", "base64Binary"),
        _as_text,
    ),
}
CAST_TYPES = frozenset(_CASTS)
_SYSTEM = ("String", "Boolean", "Integer", "Decimal", "Date", "DateTime", "Time")
CAST_NAMES = {
    **{f"FHIR.{kind}": kind for kind in _CASTS},
    **{f"System.{kind}": kind[0].lower() + kind[1:] for kind in _SYSTEM},
}
"""Types with the namespace that they may be named by. FHIRPath, type specifiers."""


def fit(kind: str) -> Callable[[Item], Item]:
    """Return what makes a leaf fit an element of primitive type `kind`."""
    kind = CAST_NAMES.get(kind, kind)
    if kind in _INTEGERS:
        return lambda value: None if (leaf := plain(value)) is None else to_integer(leaf)
    if kind == "decimal":
        return lambda value: None if (leaf := plain(value)) is None else to_decimal(leaf)
    if kind == "boolean":
        return lambda value: None if (leaf := plain(value)) is None else to_boolean(leaf)
    return text


def fit_with_beside(shape: Shape) -> Callable[[Item], Item]:
    """Return what makes a FHIR primitive fit an element, with the id and extensions beside it."""
    alone = fit(shape.name)

    def fitted(value: Item) -> Item:
        if not isinstance(value, Primitive) or dict.keys(value) <= {"value"}:
            return alone(value)
        made = Made(shape)
        made.update((key, copy_of(one)) for key, one in dict.items(value) if key != "value")
        leaf = alone(value)
        if leaf is not None:
            made["value"] = leaf
        return made

    return fitted


def leaf_of(kind: str) -> type:
    """Return the class of leaves that fit an element of primitive type `kind` as they are."""
    kind = CAST_NAMES.get(kind, kind)
    return int if kind in _INTEGERS else {"decimal": ExactDecimal, "boolean": bool}.get(kind, str)


def translate(run: Run, _: RuleMark, value: Item, table: ConceptMap, output: str) -> Item:
    """Look a code up; a miss is an issue at its place and gives nothing."""
    code, system = coded(value)
    if code is None:
        return None
    try:
        match = run.concept_maps.translate(table, code, system)
    except Unfound as miss:
        raise RunFault(miss.code, table=miss.table.url) from None
    run.row = match.words
    if output in ("code", "string", "uri", "id"):
        return match.code
    if output == "display":
        return match.display
    if output == "system":
        return match.system
    coding = {"system": match.system, "version": match.version, "code": match.code, "display": match.display}
    coding = {key: one for key, one in coding.items() if one}
    return {"coding": [coding]} if output == "CodeableConcept" else coding


def coded(value: Item) -> tuple[str | None, str | None]:
    """Take code and system out of whatever carries a code: text, Coding, CodeableConcept, a CDA code."""
    if isinstance(value, list):
        if len(value) > 1:
            raise RunFault("MP312", count=len(value))
        value = value[0] if value else None
    if not isinstance(value, dict):
        return text(value), None
    codings = value.get("coding")
    if isinstance(codings, list) and codings:
        return coded(codings[0])
    if "code" in value:
        oid = value.get("codeSystem")
        return text(value["code"]), f"urn:oid:{oid}" if isinstance(oid, str) else value.get("system")
    return text(value), None


def cc(_: Run, __: RuleMark, *values: Item) -> dict[str, Item] | None:
    """Make a CodeableConcept of a text, or of system, code and display."""
    if len(values) == 1:
        only = text(values[0])
        return None if only is None else {"text": only}
    coding = c(_, __, *values)
    return None if coding is None else {"coding": [coding]}


def c(_: Run, __: RuleMark, *values: Item) -> dict[str, Item] | None:
    """Make a Coding of system, code and display."""
    system, code, display = (*(text(value) for value in values), None)[:3]
    if code is None:
        return None
    coding = {"system": system, "code": code, "display": display}
    return {key: one for key, one in coding.items() if one is not None}


def identifier(_: Run, __: RuleMark, system: Item, value: Item, kind: Item = None) -> dict[str, Item] | None:
    """Make an Identifier."""
    code, written, url = text(kind), text(value), text(system)
    if written is None:
        return None
    made: dict[str, Item] = {}
    if code is not None:
        made["type"] = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code}]}
    if url is not None:
        made["system"] = url
    made["value"] = written
    return made


def contact(_: Run, __: RuleMark, *values: Item) -> dict[str, Item] | None:
    """Make a ContactPoint; of a lone value the system is told by its form, or left out."""
    value = text(values[-1])
    if value is None:
        return None
    system = text(values[0]) if len(values) == 2 else _contact_system(value)
    return {"system": system, "value": value} if system else {"value": value}


def _contact_system(value: str) -> str | None:
    if _EMAIL.fullmatch(value):
        return "email"
    if value.startswith(("http://", "https://")):
        return "url"
    return "phone" if _PHONE.fullmatch(value) else None


def quantity(_: Run, __: RuleMark, *values: Item) -> dict[str, Item] | None:
    """Make a Quantity of one text (`5 mg`), or of value, unit, system and code."""
    if len(values) == 1:
        return _quantity_of(text(values[0]))
    value = plain(values[0])
    if value is None:
        return None
    unit, system, code = (*(text(one) for one in values[1:]), None, None)[:3]
    made = {"value": to_decimal(value), "unit": unit, "system": system, "code": code}
    return {key: one for key, one in made.items() if one is not None}


def _quantity_of(written: str | None) -> dict[str, Item] | None:
    if written is None:
        return None
    match = _QUANTITY.fullmatch(written.strip())
    if match is None:
        raise RunFault("MP321", type="Quantity")
    made: dict[str, Item] = {"value": to_decimal(match["value"].replace(",", "."))}
    if match["comparator"]:
        made["comparator"] = match["comparator"]
    if match["unit"]:
        made["unit"] = match["unit"]
    return made


TRANSFORMS: dict[str, Transform] = {
    "truncate": Transform(2, 2, "string", truncate),
    "append": Transform(1, None, "string", append),
    "reference": Transform(1, 1, "string", reference),
    "pointer": Transform(1, 1, "uri", pointer),
    "uuid": Transform(0, 0, "uuid", uuid),
    "cc": Transform(1, 3, "CodeableConcept", cc),
    "c": Transform(2, 3, "Coding", c),
    "qty": Transform(1, 4, "Quantity", quantity),
    "id": Transform(2, 3, "Identifier", identifier),
    "cp": Transform(1, 2, "ContactPoint", contact),
    "toDateTime": Transform(1, 2, "dateTime", reading("dateTime")),
    "toDate": Transform(1, 2, "date", reading("date")),
    "toTime": Transform(1, 2, "time", reading("time")),
    "unixToDateTime": Transform(1, 2, "dateTime", unix_to(_whole)),
    "unixToDate": Transform(1, 2, "date", unix_to(lambda moment: moment.date().isoformat())),
    "unixToTime": Transform(1, 2, "time", unix_to(_clock)),
}
"""Transforms that are plain functions; `values` and `creation` know the others."""
MADE_ANEW = frozenset({"CodeableConcept", "Coding", "Quantity", "Identifier", "ContactPoint"})
"""Types of values that a transform makes, and hands to nobody else."""
SPECIAL = frozenset({"create", "copy", "cast", "translate", "evaluate"})
REFUSED = frozenset({"escape", "dateOp"})
"""Named by the standard and never defined by it."""
NAMES = frozenset({*TRANSFORMS, *SPECIAL, *REFUSED})
