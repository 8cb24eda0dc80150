"""Cases beside the maps: a source, and what its map shall make of it.

A case is a source file with a `.toml` of the same name beside it, every key optional:

    map = "ward"                       # name or url; empty or absent: the one that accepts the source
    media_type = "application/hl7-v2"  # if the file's name does not tell
    charset = "8859/1"                 # of a source that does not say
    zone = "Europe/Helsinki"
    findings = ["MP332"]               # codes that mapping gives (MP, SR, CM), all of them
    unaccounted = ["PID-13"]           # places that no rule reads, all of them
    [constants]
    sender = "urn:oid:1.2.3"
    [facts]                            # FHIRPath on the first result, and the values it gives
    "entry.resource.ofType(Patient).gender" = ["female"]

and, in the folder `expected`, `NAME.json`: the whole first result, the ids of its entries numbered in their
order, so that a line more in a map breaks no case. `cases.toml` in the folder gives keys for all its cases.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.errors import AdapterError, ConfigurationError
from adapter.fhir import json
from adapter.mapping.readers import OF_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.mapping.mapset import MapSet
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import Outcome

OWN_PREFIXES = ("MP", "SR", "CM")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEYS = frozenset({"map", "media_type", "charset", "zone", "findings", "unaccounted", "constants", "facts"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One source and what is expected of it."""

    name: str
    source: Path
    golden: Path
    map: str = ""
    media_type: str = ""
    charset: str | None = None
    zone: str = "Europe/Helsinki"
    findings: tuple[str, ...] | None = None
    unaccounted: tuple[str, ...] | None = None
    constants: dict[str, Item] = field(default_factory=dict)
    facts: dict[str, list[Item]] = field(default_factory=dict)


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases of a folder and its subfolders, by name.

    Raises ConfigurationError MP406 for a `.toml` that cannot be read.
    """
    for source in sorted(folder.rglob("*")):
        said = source.with_suffix(".toml")
        if source.suffix in OF_SUFFIX and not source.name.endswith(".fhir.json") and said.is_file():
            yield _case(source, said)


def _case(source: Path, said: Path) -> Case:
    try:
        together = source.parent / "cases.toml"
        keys = tomllib.loads(together.read_text("utf-8")) if together.is_file() else {}
        keys |= tomllib.loads(said.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise ConfigurationError("MP406", at=said.name) from None
    known = {key: value for key, value in keys.items() if key in _KEYS}
    for key in ("findings", "unaccounted"):
        if key in known:
            known[key] = tuple(known[key])
    return Case(
        name=source.stem, source=source, golden=source.parent / "expected" / f"{source.stem}.json", **known
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a case; `failures` is empty if all is as expected."""

    case: Case
    failures: tuple[str, ...]
    outcome: Outcome | None = None


def judge(case: Case, maps: MapSet, *, quick: bool = False) -> Verdict:
    """Run a case and say, one sentence each, what is not as expected; no sentence quotes the source.

    `quick`: no lineage, and accounting only where the case says something about it.
    """
    options: dict[str, Item] = {
        "media_type": case.media_type or OF_SUFFIX[case.source.suffix],
        "charset": case.charset,
        "zone": case.zone,
        "constants": case.constants,
        "lineage": not quick or case.unaccounted is not None,
    }
    body = case.source.read_bytes()
    try:
        outcome = maps[case.map].run(body, **options) if case.map else maps.run(body, **options)
    except AdapterError as error:
        codes = (error.code,)
        failures = () if case.findings == codes else (f"ended with {error.code}",)
        return Verdict(case=case, failures=failures)
    return Verdict(case=case, failures=tuple(_failures(case, outcome)), outcome=outcome)


def _failures(case: Case, outcome: Outcome) -> Iterator[str]:
    if case.findings is not None:
        found = sorted({issue.code for issue in outcome.issues})
        wanted = sorted({code for code in case.findings if code.startswith(OWN_PREFIXES)})
        if found != wanted:
            yield f"findings are {', '.join(found) or 'none'}, expected {', '.join(wanted) or 'none'}"
    if case.unaccounted is not None and outcome.accounting is not None:
        left = outcome.accounting.unaccounted
        if left != list(case.unaccounted):
            odd = sorted({*left} ^ {*case.unaccounted})
            yield f"unaccounted leaves differ at {', '.join(odd)}"
    yield from _false_facts(case, outcome)
    if case.golden.is_file():
        expected = json.read(case.golden.read_bytes())
        yield from (f"differs at {path}" for path in differences(expected, numbered(outcome.resources[0])))


def _false_facts(case: Case, outcome: Outcome) -> Iterator[str]:
    from adapter.fhirpath import compile_expression

    for path, expected in case.facts.items():
        try:
            found = compile_expression(path)(outcome.resources[0])
        except AdapterError as error:
            yield f"fact {path}: {error.code}"
            continue
        if [str(one) for one in found] != [str(one) for one in expected]:
            yield f"fact {path} does not hold"


def golden(outcome: Outcome) -> bytes:
    """Write the first result as a case expects it."""
    return json.write(numbered(outcome.resources[0]), pretty=True) + b"\n"


def numbered(resource: dict[str, Item]) -> Item:
    """Return a result with the ids of its entries numbered in their order; other ids stay as they are."""
    ids = {
        str(entry["resource"]["id"]): _number(at)
        for at, entry in enumerate(_entries(resource), 1)
        if isinstance(entry, dict) and entry.get("resource", {}).get("id")
    }
    if resource.get("resourceType") != "Bundle" and resource.get("id"):
        ids[str(resource["id"])] = _number(1)
    return _renamed(resource, ids)


def _entries(bundle: dict[str, Item]) -> Iterator[Item]:
    """Yield the entries of a Bundle, and behind each that is a Bundle the entries of that."""
    for entry in bundle.get("entry", ()):
        yield entry
        if isinstance(entry, dict) and entry.get("resource", {}).get("resourceType") == "Bundle":
            yield from _entries(entry["resource"])


def _renamed(value: Item, ids: dict[str, str]) -> Item:
    if isinstance(value, dict):
        return {key: _renamed(one, ids) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, ids) for one in value]
    if isinstance(value, str):
        return _UUID.sub(lambda match: ids.get(match[0], match[0]), value)
    return value


def _number(count: int) -> str:
    return f"00000000-0000-4000-8000-{count:012}"


def differences(expected: Item, found: Item, path: str = "") -> Iterator[str]:
    """Yield the paths at which two values part."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*expected, *found]):
            if key in expected and key in found:
                yield from differences(expected[key], found[key], f"{path}.{key}" if path else key)
            else:
                yield f"{path}.{key}" if path else key
    elif isinstance(expected, list) and isinstance(found, list):
        for at, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{path}[{at}]")
        if len(expected) != len(found):
            yield f"{path} ({len(found)} items, expected {len(expected)})"
    elif str(expected) != str(found) or isinstance(expected, bool) != isinstance(found, bool):
        yield path
