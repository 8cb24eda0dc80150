"""A first map from a sample and a profile: what is certain as rules, all else as a TODO with its place.

    made = draft(body, media_type="application/hl7-v2", target=target_of("Patient", packages), name="ward")
    made.map, made.case

Certain is what the standard says (PID-7 is the birth date), what has the very name and a fitting type
(`birthDate` of a JSON sample), and what a profile fixes. Nothing else becomes a rule. The draft is run on its
sample before it is given, so that its list of open leaves is the accounting's own, and its case holds.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError
from adapter.mapping import readers
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.printer import print_map
from adapter.mapping.mapset import MapSet
from adapter.mapping.scaffold import leaves, requirements, rules, text
from adapter.mapping.scaffold.requirements import Requirement, Target, target_of
from adapter.shipped import folder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.mapping.nodes import Item, SourceTree
    from adapter.mapping.run import Outcome
    from adapter.mapping.scaffold.leaves import Open
    from adapter.mapping.scaffold.rules import Plan
    from adapter.outcome import Issue

__all__ = ["Draft", "Target", "draft", "target_of"]

URL = "https://example.org/fhir/StructureMap/"
CASE_LISTS_AT_MOST = 60
"""Open leaves that a case names one by one; a longer list would be copied, not read."""
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A map and its first case, as texts."""

    map: str
    case: str
    """The `.toml` that goes beside a copy of the sample."""
    leaves: int
    open: tuple[Open, ...]
    """What no rule reads, one for each path of the source."""
    missing: tuple[Requirement, ...]
    """What the profile requires and the sample's result lacks."""
    issues: tuple[Issue, ...]
    """What mapping the sample gave."""


def draft(
    body: bytes,
    *,
    media_type: str,
    target: Target,
    name: str,
    charset: str | None = None,
    zone: str | None = None,
    show_values: bool = False,
) -> Draft:
    """Write a map that turns samples like `body` into `target`.

    `show_values`: let each TODO say what the sample has there; left out, only what kind of value it is.

    Raises ContentError for a sample that cannot be read, ConfigurationError MP409 for a name that is none.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError("MP409")
    media_type = readers.fhir_media_type(body, media_type)
    tree = readers.read(body, media_type, charset=charset)
    plan = rules.plan(tree, target)
    lines = text.lines(plan, target, _group(name))
    options: dict[str, str | None] = {"media_type": media_type, "charset": charset, "zone": zone}
    outcome = _tried("\n".join([*_head(name, plan, target), *lines]), name, body, options)
    still_open = tuple(leaves.still_open(tree, outcome, show_values=show_values))
    missing = tuple(requirements.missing(target, outcome.resources[0]))
    todo = [*_required(missing), *_unread(still_open)]
    comments = [_on_one_line(comment) for comment in (_accepts(tree), *todo)]
    whole = "\n".join([*_head(name, plan, target), comments[0], "", *lines, "", *comments[1:]])
    return Draft(
        map=_formatted(whole, name),
        case=_case(name, options, outcome, target),
        leaves=len(outcome.accounting or ()),
        open=still_open,
        missing=missing,
        issues=tuple(outcome.issues),
    )


def _group(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("-"))


def _head(name: str, plan: Plan, target: Target) -> list[str]:
    goal = target.profile or target.type
    made = "Bundle" if plan.is_bundle else target.type
    return [
        f"/// url = '{URL}{name}'",
        f"/// name = '{name}'",
        f"/// title = '{plan.says} to {target.type}'",
        "",
        f"// A first draft for {goal}, made from one sample.",
        "// A rule stands only where standard, name or profile leave no doubt. All else is a TODO: write",
        "// a rule, or `//! ignore PATH: reason`, and take the line away.",
        f"// TODO url: {URL} is nobody's; put your own in its place",
        "",
        f'uses "{plan.source_url}" alias {plan.alias} as source',
        f'uses "http://hl7.org/fhir/StructureDefinition/{made}" alias {made} as target',
        *([f'imports "{plan.imports}"'] if plan.imports else []),
        "",
    ]


def _on_one_line(comment: str) -> str:
    """Keep a comment one: names of a sample may hold line breaks, and what follows one would be map text."""
    return _BREAKS.sub("?", comment)


def _accepts(tree: SourceTree) -> str:
    """Propose what tells this kind of source; of HL7 v2 its message type, which is no patient's."""
    said = "FHIRPATH about the source"
    if tree.format == "hl7v2":
        kind = tree.root["MSH"].get("f9")
        if isinstance(kind, dict):
            said = " and ".join(f"MSH.f9.{key} = '{kind[key]}'" for key in ("c1", "c2") if key in kind)
    return f"// TODO accepts: a line `//! accepts {said}` lets `--map auto` take this map"


def _required(missing: Iterable[Requirement]) -> list[str]:
    return [f"// TODO required {one.words}" for one in missing]


def _unread(still_open: Iterable[Open]) -> list[str]:
    return [f"// TODO unread {one.words}" for one in still_open]


def _formatted(text: str, name: str) -> str:
    parsed, issues = parse(text, name)
    if parsed is None or issues:
        raise ConfigurationError("MP400", params={"count": len(issues)}, issues=issues)
    return print_map(parsed)


def _tried(text: str, name: str, body: bytes, options: dict[str, Item]) -> Outcome:
    """Run the rules on the sample they come from, with the shipped data types and tables beside them."""
    beside = [folder("mappings") / "shared", folder("mappings") / "tables"] if "imports" in text else []
    with tempfile.TemporaryDirectory() as place:
        Path(place, f"{name}.map").write_text(text, "utf-8")
        return MapSet.load([*beside, place])[name].run(body, lineage=True, **options)


def _case(name: str, options: dict[str, str | None], outcome: Outcome, target: Target) -> str:
    """Say what the draft does to its sample, so that the next change shows what it changes."""
    resource = outcome.resources[0]
    charset = f"; charset={options['charset']}" if options["charset"] else ""
    zone = [f'zone = "{options["zone"]}"'] if options["zone"] else []
    findings = sorted({issue.code for issue in outcome.issues if issue.code[:2] in ("MP", "SR", "CM")})
    places = outcome.accounting.unaccounted if outcome.accounting is not None else []
    if resource["resourceType"] == target.type:
        fact = f'"$this is {target.type}" = [true]'
    else:
        fact = f'"entry.resource.ofType({target.type}).count()" = [{len(resource.get("entry", ()))}]'
    if len(places) <= CASE_LISTS_AT_MOST:
        listed = ["# take a place away when a rule reads it, or an ignore names it", "unaccounted = ["]
        listed += [f'    "{_toml(place)}",' for place in places] + ["]"]
    else:
        listed = [f"# {len(places)} leaves are open; list them as `unaccounted = [...]` when they are few"]
    return "\n".join([
        "# The first case of the map: what it does to the sample it was drafted from.",
        f'map = "{name}"', f'media_type = "{options["media_type"]}{charset}"', *zone,
        f"findings = [{', '.join(f'{chr(34)}{code}{chr(34)}' for code in findings)}]",
        *listed, "", "[facts]", fact, "",
    ])  # fmt: skip


def _toml(text: str) -> str:
    """Escape what cannot stand in a basic string. TOML 1.0, String."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return _BREAKS.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
