"""Draw `docs/reference/`: a page for each profile, logical model, code system and map, and lists of the rest.

Everything on the pages is read from `profiles/`, `mappings/` and `fixtures/`; Finnish and Swedish terms of
definitions stand in `reference_terms.toml`. `draw_tables.py` runs this too. `--check` only says which page is
not true any more, and exits 1.
"""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.fhir import json
from adapter.fhir.canonical import BASE
from adapter.fhir.packages import load
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.printer import snippets
from adapter.validation import Validator
from adapter.validation.finnish import finnish_base

sys.path.insert(0, str(Path(__file__).parent))
from map_targets import filled, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter.mapping.fml.tree import MapFile

    Definition = dict[str, Any]
    Pages = dict[str, str]

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
FINNISH = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/"
MOST_EXAMPLES, MOST_RULES = 6, 4
"""How many examples and rules a page names before it says how many more there are."""

LONGEST = 400
"""Characters of an expression that a page shows; a longer one stands in the definition."""

WRONG = "wrong"
"""Folder of fixtures that are broken on purpose."""
UNFINISHED = "consent"
"""Folder whose results are no examples yet: the relay says whose consents they are and who filed them."""


@dataclass
class Source:
    """What the pages are drawn from."""

    definitions: list[Definition] = field(
        default_factory=lambda: [*load(ROOT / "profiles").resources(), *load(ROOT / "mappings").resources()]
    )
    terms: dict[str, dict[str, str]] = field(
        default_factory=lambda: tomllib.loads(
            (Path(__file__).parent / "reference_terms.toml").read_text("utf-8")
        )
    )

    def of(self, resource_type: str) -> list[Definition]:
        """Return the definitions of a type, by id."""
        return sorted(
            (one for one in self.definitions if one["resourceType"] == resource_type),
            key=lambda one: str(one["id"]),
        )

    @cached_property
    def profiles(self) -> list[Definition]:
        """Constraints on resources."""
        return [one for one in self.of("StructureDefinition") if one["kind"] == "resource"]

    @cached_property
    def extensions(self) -> list[Definition]:
        """Extensions."""
        return [one for one in self.of("StructureDefinition") if one["type"] == "Extension"]

    @cached_property
    def models(self) -> list[Definition]:
        """Logical models."""
        return [one for one in self.of("StructureDefinition") if one["kind"] == "logical"]

    @cached_property
    def validator(self) -> Validator:
        """What makes snapshots."""
        return Validator.shipped()

    @cached_property
    def maps(self) -> dict[str, MapFile]:
        """Every map by its place in the repository; one that cannot be read is left to its own tests."""
        found = {}
        for file in sorted((ROOT / "mappings").rglob("*.map")):
            tree, _ = parse(file.read_text("utf-8"), file.name)
            if tree is not None:
                found[file.relative_to(ROOT).as_posix()] = tree
        return found

    @cached_property
    def filled(self) -> dict[str, dict[str, list[tuple[str, str]]]]:
        """By profile and element: the rules that fill it."""
        return filled(self.maps)

    @cached_property
    def examples(self) -> dict[str, list[str]]:
        """By canonical: the fixtures with a resource that claims it."""
        found: dict[str, list[str]] = defaultdict(list)
        for file in sorted((ROOT / "fixtures").rglob("*.json")):
            if {WRONG, UNFINISHED} & set(file.relative_to(ROOT).parts):
                continue
            place = file.relative_to(ROOT).as_posix()
            for canonical in dict.fromkeys(_claims(json.read(file.read_bytes()))):
                found[canonical].append(place)
        return found

    @cached_property
    def bound(self) -> dict[str, list[str]]:
        """By value set: the elements that are bound to it, with the strength."""
        found: dict[str, list[str]] = defaultdict(list)
        for one in (*self.profiles, *self.extensions, *self.models):
            for element in one["differential"]["element"]:
                binding = element.get("binding", {})
                if "valueSet" in binding:
                    home = _page_of(one)
                    text = f"[{one['id']}]({home}) `{element['id']}` ({binding['strength']})"
                    found[binding["valueSet"].partition("|")[0]].append(text)
        return found


def _claims(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        meta = value.get("meta")
        if "resourceType" in value and isinstance(meta, dict):
            yield from (one for one in meta.get("profile", ()) if isinstance(one, str))
        for inner in value.values():
            yield from _claims(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _claims(inner)


def _page_of(one: Definition) -> str:
    """Return the page of a StructureDefinition, as a link from a page in a folder of the reference."""
    if one["type"] == "Extension":
        return f"../extensions.md#{one['id']}"
    return f"../{'models' if one['kind'] == 'logical' else 'profiles'}/{one['id']}.md"


# Pieces of a page


def cell(text: object) -> str:
    """Return text as it stands in a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return text as code, which may have backquotes in it."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def rows(head: Iterable[str], lines: Iterable[Iterable[object]]) -> str:
    """Return a table, or nothing if it would have no rows."""
    body = ["| " + " | ".join(cell(one) for one in line) + " |" for line in lines]
    names = list(head)
    return "\n".join([f"| {' | '.join(names)} |", "|" + "---|" * len(names), *body, ""]) if body else ""


def section(title: str, body: str) -> str:
    """Return a section, or nothing without a body."""
    return f"\n## {title}\n\n{body.rstrip()}\n" if body.strip() else ""


def named(key: str, source: Source) -> str:
    """Return the Finnish and Swedish terms of a definition as a line; nothing if there are none."""
    terms = source.terms.get(key, {})
    return " · ".join(f"*{terms[language]}* ({language})" for language in ("fi", "sv") if language in terms)


def heading(title: object, *paragraphs: object) -> str:
    """Return a title and what stands below it; what is empty is left out."""
    return "\n\n".join([f"# {title}", *(str(one) for one in paragraphs if one)]) + "\n"


def top(one: Definition, source: Source) -> str:
    """Return title, terms, canonical and description of a definition."""
    where = f"`{one['url']}`, version {one.get('version', '-')}"
    return heading(one.get("title", one["id"]), named(str(one["id"]), source), where, one.get("description"))


def places(found: list[str], up: str, most: int = MOST_EXAMPLES) -> str:
    """Return files as links, the rest as a number. `up`: from the page to the repository's root."""
    links = [f"[{place.removeprefix('fixtures/')}]({up}/{place})" for place in found[:most]]
    return ", ".join(links) + (f" and {len(found) - most} more" if len(found) > most else "")


def filling(found: list[tuple[str, str]]) -> str:
    """Return rules as text: the file's stem and the rule."""
    told = [f"{Path(file).stem}: {rule}" for file, rule in found[:MOST_RULES]]
    return "; ".join(told) + (f" +{len(found) - MOST_RULES}" if len(found) > MOST_RULES else "")


# Profiles and extensions


def profile_page(one: Definition, source: Source) -> str:
    """Return the page of a profile: its elements, rules, examples, and what maps to it."""
    base = str(one["baseDefinition"])
    known = f"Constrains **{one['type']}**, derived from `{base}`."
    return "".join(
        (
            top(one, source),
            f"\n{known}\n",
            section("Elements", elements(one, source)),
            section("Rules", invariants(one)),
            section("Examples", places(source.examples.get(one["url"], []), "../../..")),
            section("Maps that make it", makers(one, source)),
        )
    )


def elements(one: Definition, source: Source) -> str:
    """Return the elements the profile, or the Finnish base profile under it, speaks of."""
    whole = {element["id"]: element for element in source.validator.snapshot(one["url"]) or ()}
    ours = {element["id"]: element for element in one["differential"]["element"]}
    base = _base(one, source)
    finnish = {element["id"]: element for element in base}
    maps = source.filled.get(str(one["id"]), {})
    lines = []
    for element_id, element in whole.items():
        if "." not in element_id or not (_says(ours.get(element_id)) or _says(finnish.get(element_id))):
            continue
        path = element_id.partition(".")[2]
        plain = ".".join(step.partition(":")[0].removesuffix("[x]") for step in path.split("."))
        lines.append(
            (
                f"`{path}`{' **S**' if element.get('mustSupport') else ''}",
                f"{element['min']}..{element['max']}",
                kinds(element),
                values(element, source),
                said(finnish.get(element_id), element),
                ours.get(element_id, {}).get("short", ""),
                filling(maps.get(plain, [])) if ":" not in path else "",
            )
        )
    head = ("element", "number", "type", "values", "Finnish base", "meaning", "filled by")
    note = "**S**: must be supported. *Finnish base*: what the Finnish base profile says of the element.\n"
    table = rows(head, lines)
    return f"{table}\n{note}" if table else ""


def _base(one: Definition, source: Source) -> list[Definition]:
    """Return what the Finnish base profile under a profile says, over profiles of ours in between."""
    url = str(one.get("baseDefinition", ""))
    if url.startswith(FINNISH):
        found = finnish_base().resource(url)
        return list((found or {}).get("differential", {}).get("element", ()))
    below = next((other for other in source.profiles if other["url"] == url), None)
    return [] if below is None else _base(below, source)


def _says(element: Definition | None) -> bool:
    """Return True if there is more to an element than its place and how it is sliced."""
    return element is not None and bool(set(element) - {"id", "path", "slicing", "definition"})


def said(element: Definition | None, whole: Definition) -> str:
    """Return in short what a differential says of an element; its types only if ours are others."""
    if element is None:
        return ""
    told = [f"{element.get('min', '')}..{element.get('max', '')}"] if {"min", "max"} & set(element) else []
    if "type" in element:
        told.append("these types" if kinds(element) == kinds(whole) else kinds(element))
    if value := fixed(element):
        told.append(value)
    if "binding" in element and "valueSet" in element["binding"]:
        told.append(str(element["binding"]["valueSet"]).rpartition("/")[2])
    return ", ".join(one for one in told if one)


def kinds(element: Definition) -> str:
    """Return the types of an element, references with what they lead to."""
    if "contentReference" in element:
        return f"as {str(element['contentReference']).rpartition('#')[2]}"
    told = []
    for kind in element.get("type", ()):
        targets = [str(target).rpartition("/")[2] for target in kind.get("targetProfile", ())]
        profiles = [str(target).rpartition("/")[2] for target in kind.get("profile", ())]
        code = str(kind["code"]).rpartition(".")[2]
        inside = targets or profiles
        told.append(f"{code}({', '.join(inside)})" if inside else code)
    return ", ".join(told) if len(told) <= 4 else f"{len(told)} types"


def values(element: Definition, source: Source) -> str:
    """Return what an element's value must be, or which value set it is from."""
    value = fixed(element)
    binding = element.get("binding", {})
    url = str(binding.get("valueSet", "")).partition("|")[0]
    if value or not url:
        return value
    name = url.rpartition("/")[2]
    link = f"[{name}](../valuesets.md#{name})" if url.startswith(BASE) else name
    return f"{link} ({binding['strength']})"


def fixed(element: Definition) -> str:
    """Return a fixed or pattern value in short."""
    value = next((value for key, value in element.items() if key.startswith(("fixed", "pattern"))), None)
    if isinstance(value, dict):
        codings = value.get("coding", [value])
        return ", ".join(
            f"{str(one.get('system', '')).rpartition('/')[2]}#{one.get('code')}" for one in codings
        )
    return "" if value is None else f"`{value}`"


def invariants(one: Definition) -> str:
    """Return the rules of a definition with their expressions."""
    return rows(
        ("key", "severity", "rule", "FHIRPath"),
        (
            (rule["key"], rule["severity"], rule["human"], _short(rule["expression"]))
            for element in one["differential"]["element"]
            for rule in element.get("constraint", ())
        ),
    )


def _short(expression: str) -> str:
    return (
        f"`{expression}`"
        if len(expression) <= LONGEST
        else f"{len(expression)} characters: see the definition"
    )


def makers(one: Definition, source: Source) -> str:
    """Return the maps that make resources of a profile, and how many of their rules."""
    by_map: dict[str, set[str]] = defaultdict(set)
    for found in source.filled.get(str(one["id"]), {}).values():
        for file, rule in found:
            by_map[file].add(rule)
    return "\n".join(
        f"- [{Path(file).stem}](../maps/{Path(file).stem}.md): {len(some)} rules"
        for file, some in sorted(by_map.items())
    )


def extensions_page(source: Source) -> str:
    """Return the page of all extensions."""
    used: dict[str, list[str]] = defaultdict(list)
    for one in (*source.profiles, *source.extensions):
        for element in one["differential"]["element"]:
            for kind in element.get("type", ()):
                for url in kind.get("profile", ()):
                    used[url].append(f"[{one['id']}]({_page_of(one).removeprefix('../')})")
    parts = ["# Extensions\n"]
    for one in source.extensions:
        value = next(
            (
                kinds(element)
                for element in one["differential"]["element"]
                if element["path"] == "Extension.value[x]"
            ),
            "",
        )
        inner = [
            f"`{element['sliceName']}`"
            for element in one["differential"]["element"]
            if element["path"] == "Extension.extension" and "sliceName" in element
        ]
        where = ", ".join(f"`{place['expression']}`" for place in one.get("context", ()))
        facts = [
            f"`{one['url']}`",
            f"Value: {value}" if value and not inner else f"Parts: {', '.join(inner)}",
            f"On: {where}",
            f"Used by: {', '.join(dict.fromkeys(used[one['url']]))}" if used[one["url"]] else "",
        ]
        parts.append(f'\n<a id="{one["id"]}"></a>\n\n## {one["title"]}\n')
        terms = named(str(one["id"]), source)
        parts.append(f"\n{terms}\n" if terms else "")
        parts.append(f"\n{one['description']}\n\n" + "\n".join(f"- {fact}" for fact in facts if fact) + "\n")
        parts.append(f"\n{table}" if (table := invariants(one)) else "")
    return "".join(parts)


# Models


def model_page(one: Definition, source: Source) -> str:
    """Return the page of a logical model: its elements."""
    lines = [
        (
            f"`{element['id'].partition('.')[2]}`",
            f"{element.get('min', 0)}..{element.get('max', '*')}",
            kinds(element),
            values(element, source),
            element.get("short", ""),
        )
        for element in one["differential"]["element"]
        if "." in element["id"]
    ]
    readers = [
        f"- [{Path(file).stem}](../maps/{Path(file).stem}.md)"
        for file, tree in source.maps.items()
        if any(use.url == one["url"] for use in tree.uses)
    ]
    table = rows(("element", "number", "type", "values", "meaning"), lines)
    return "".join(
        (
            top(one, source),
            section("Elements", table),
            section("Rules", invariants(one)),
            section("Maps that read or write it", "\n".join(readers)),
        )
    )


# Terminology


def codes_page(one: Definition, source: Source) -> str:
    """Return the page of a code system: its codes in three languages, and where they are used."""
    lines = []
    for concept in one.get("concept", ()):
        texts = {text.get("language"): text["value"] for text in concept.get("designation", ())}
        meaning = concept.get("definition", "")
        lines.append(
            (
                f"`{concept['code']}`",
                concept.get("display", ""),
                texts.get("fi", ""),
                texts.get("sv", ""),
                meaning,
            )
        )
    sets = [
        f"[{other['id']}](../valuesets.md#{other['id']})"
        for other in source.of("ValueSet")
        if any(part.get("system") == one["url"] for part in other.get("compose", {}).get("include", ()))
    ]
    tables = [
        f"[{other['id']}](../tables.md#{other['id']})"
        for other in source.of("ConceptMap")
        if any(one["url"] in (group.get("source"), group.get("target")) for group in other.get("group", ()))
    ]
    used = [*(f"in value set {link}" for link in sets), *(f"in table {link}" for link in tables)]
    note = "" if lines else "The codes stand where they are made: [findings](../../findings.md).\n"
    return "".join(
        (
            top(one, source),
            section("Codes", rows(("code", "English", "suomi", "svenska", "meaning"), lines) or note),
            section("Used", "\n".join(f"- {one}" for one in used)),
        )
    )


def valuesets_page(source: Source) -> str:
    """Return the page of all value sets."""
    parts = ["# Value sets\n"]
    for one in source.of("ValueSet"):
        parts.append(f'\n<a id="{one["id"]}"></a>\n\n## {one["title"]}\n\n{one["description"]}\n\n')
        parts.append(f"- `{one['url']}`\n")
        for include in one.get("compose", {}).get("include", ()):
            parts.append(f"- {included(include)}\n")
        bound = [text.replace("](../", "](") for text in source.bound.get(one["url"], ())]
        parts.append(f"- Bound: {', '.join(bound)}\n" if bound else "")
    return "".join(parts)


def included(include: Definition) -> str:
    """Return what one part of a value set takes in."""
    system = str(include.get("system", ""))
    codes = ", ".join(f"`{concept['code']}`" for concept in include.get("concept", ()))
    if system.startswith(BASE):
        name = system.rpartition("/")[2]
        told = f"[{name}](codes/{name}.md)"
    else:
        told = f"`{system}`" if system else ", ".join(f"`{url}`" for url in include.get("valueSet", ()))
    filters = ", ".join(f"{one['property']} {one['op']} {one['value']}" for one in include.get("filter", ()))
    return told + (
        f": {codes}"
        if codes
        else ": all codes"
        if system and not filters
        else f" where {filters}"
        if filters
        else ""
    )


def tables_page(source: Source) -> str:
    """Return the page of all ConceptMaps."""
    parts = ["# Code tables of the maps\n"]
    for one in source.of("ConceptMap"):
        title = one.get("title", one["id"])
        parts.append(f'\n<a id="{one["id"]}"></a>\n\n## {title}\n\n{one.get("description", "")}\n\n')
        for group in one.get("group", ()):
            parts.append(f"`{group.get('source', '-')}` → `{group.get('target', '-')}`\n\n")
            lines = [
                (f"`{row['code']}`", f"`{to.get('code', '-')}`", to.get("equivalence", ""))
                for row in group.get("element", ())
                for to in row.get("target", [{}])
            ]
            parts.append(rows(("from", "to", "relation"), lines) + "\n")
            if "unmapped" in group:
                other = group["unmapped"]
                parts.append(
                    f"Every other code: {other['mode']} {other.get('code', '')}\n".replace(" \n", "\n") + "\n"
                )
    return "".join(parts).rstrip() + "\n"


# Maps and messages


def map_page(place: str, tree: MapFile, source: Source) -> str:
    """Return the page of a map: what it reads and makes, what it leaves, and every rule."""
    said_of = {one.name: one.value for one in tree.metadata}
    printer = snippets(tree)
    uses = rows(
        ("reads and writes", "as", "called"), ((f"`{use.url}`", use.mode, use.name) for use in tree.uses)
    )
    left = [comment.text for comment in tree.comments if "! ignore" in comment.text[:12]]
    lines = [
        (
            group.name,
            rule.name or "",
            "; ".join(code(printer.source(one)) for one in rule.sources),
            "; ".join(code(printer.target(one)) for one in rule.targets)
            or "; ".join(f"then {one.name}" for one in rule.dependents),
        )
        for group in tree.groups
        for rule in rules(group)
    ]
    ignored = "\n".join(_left(text.lstrip("/! ").removeprefix("ignore").strip()) for text in left)
    name = Path(place).stem
    where = f"`{tree.url}`, [{place}](../../../{place})"
    return "".join(
        (
            heading(
                str(said_of.get("title") or name), named(name, source), where, said_of.get("description")
            ),
            f"\n{uses}",
            section("Left behind, with the reason", ignored),
            section("Rules", rows(("group", "rule", "from", "to"), lines)),
        )
    )


def _left(text: str) -> str:
    """Return what a map leaves behind: the path as code, then the reason."""
    path, _, reason = text.partition(": ")
    return f"- {code(' '.join(path.split()))}: {cell(reason)}"


def _carried(focus: Definition) -> str:
    name = str(focus.get("profile", "-")).rpartition("/")[2]
    return f"{focus['code']} [{name}](profiles/{name}.md) {focus.get('min', 0)}..{focus.get('max', '*')}"


def messages_page(source: Source) -> str:
    """Return the page of messages: what each carries and what answers it, and the other definitions."""
    parts = ["# Messages and services\n"]
    lines = []
    for one in source.of("MessageDefinition"):
        focus = ", ".join(_carried(part) for part in one.get("focus", ()))
        answers = ", ".join(
            str(part["message"]).rpartition("/")[2] for part in one.get("allowedResponse", ())
        )
        event = one.get("eventCoding", {}).get("code", one.get("eventUri", ""))
        lines.append((f"`{event}`", one["description"], focus, one.get("responseRequired", ""), answers))
    parts.append(section("Messages", rows(("event", "meaning", "carries", "answer", "answered by"), lines)))
    for kind, title in (
        ("CapabilityStatement", "Roles"),
        ("OperationDefinition", "Operations"),
        ("SearchParameter", "Search parameters"),
        ("Questionnaire", "Questionnaires"),
        ("Measure", "Measures"),
    ):
        told = [
            (
                f"`{one['id']}`",
                one.get("title") or one.get("name", ""),
                one.get("description", ""),
                f"`{one['url']}`",
            )
            for one in source.of(kind)
        ]
        parts.append(section(title, rows(("id", "name", "meaning", "canonical"), told)))
    return "".join(parts)


def index_page(source: Source) -> str:
    """Return the index: every definition with its terms."""

    def listed(some: Iterable[tuple[str, str, str, str]]) -> str:
        lines = []
        for key, title, link, text in some:
            terms = source.terms.get(key, {})
            lines.append((f"[{title}]({link})", terms.get("fi", ""), terms.get("sv", ""), text))
        return rows(("", "suomi", "svenska", "what it is"), lines)

    def entries(some: list[Definition], link: str) -> list[tuple[str, str, str, str]]:
        return [
            (str(one["id"]), str(one["title"]), link.format(one["id"]), str(one.get("description", "")))
            for one in some
        ]

    drawn = "<!-- drawn by tools/draw_reference.py from profiles/, mappings/ and fixtures/ -->\n"
    maps = []
    for place, tree in source.maps.items():
        said_of = {one.name: one.value for one in tree.metadata}
        name = Path(place).stem
        maps.append(
            (name, name, f"maps/{name}.md", str(said_of.get("title") or said_of.get("description") or ""))
        )
    return "".join(
        (
            f"# Reference\n\n{drawn}\n"
            "Every definition of the package; its codes are in English, Finnish and Swedish.\n"
            "Besides: [extensions](extensions.md), [value sets](valuesets.md), [code tables](tables.md), "
            "[messages and services](messages.md).\n",
            section("Profiles", listed(entries(source.profiles, "profiles/{}.md"))),
            section("Extensions", listed(entries(source.extensions, "extensions.md#{}"))),
            section("Logical models", listed(entries(source.models, "models/{}.md"))),
            section("Code systems", listed(entries(source.of("CodeSystem"), "codes/{}.md"))),
            section("Maps", listed(maps)),
        )
    )


def pages() -> Pages:
    """Return the text of every page by its place below `docs/reference/`."""
    source = Source()
    made = {
        "README.md": index_page(source),
        "extensions.md": extensions_page(source),
        "valuesets.md": valuesets_page(source),
        "tables.md": tables_page(source),
        "messages.md": messages_page(source),
    }
    made |= {f"profiles/{one['id']}.md": profile_page(one, source) for one in source.profiles}
    made |= {f"models/{one['id']}.md": model_page(one, source) for one in source.models}
    made |= {f"codes/{one['id']}.md": codes_page(one, source) for one in source.of("CodeSystem")}
    made |= {
        f"maps/{Path(place).stem}.md": map_page(place, tree, source) for place, tree in source.maps.items()
    }
    return made


def main(arguments: list[str]) -> int:
    """Redraw or check every page; a page of what is no more is taken away."""
    made = pages()
    there = {file.relative_to(REFERENCE).as_posix(): file for file in REFERENCE.rglob("*.md")}
    stale = [
        name for name, text in made.items() if name not in there or there[name].read_text("utf-8") != text
    ]
    gone = [name for name in there if name not in made]
    is_check = "--check" in arguments
    for name in stale if not is_check else ():
        (REFERENCE / name).parent.mkdir(parents=True, exist_ok=True)
        (REFERENCE / name).write_text(made[name], "utf-8")
    for name in gone if not is_check else ():
        there[name].unlink()
    for name in (*stale, *gone):
        print(f"docs/reference/{name}: {'not true any more' if is_check else 'redrawn'}")
    return 1 if is_check and (stale or gone) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
