"""Maps as FHIR R4 StructureMap, out and in.

The language says more than R4's resource can hold: constants, tables inside of a map, pragmas, names that
are no `id`, rules without a name, literals as arguments. Each part is first said in R4's own elements; where
these, read back, would not give the part again, the part's own text goes beside them in an extension, and
counts when read. So what we write is read back as the same tree, what other engines understand stands where
they look for it, and a StructureMap from elsewhere needs no extension. Comments other than pragmas stay
behind.

Reading makes text of the language and parses that: faults in a StructureMap have the lines of that text.
FHIR R4 StructureMap.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.fhir.canonical import BASE
from adapter.fhir.decimals import ExactDecimal
from adapter.mapping.accounting import pragma
from adapter.mapping.fml.parser import parse
from adapter.mapping.fml.printer import DOUBLE, delimited, quoted, snippets
from adapter.mapping.fml.tree import Expression, Invocation, Name, Written, metadata_of
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.tree import Group, MapFile, Parameter, Rule, Source, Target, Transform

TEXT = f"{BASE}/StructureDefinition/fml-text"
"""Extension: this part in the mapping language, where R4's elements do not say all of it."""
CONSTANT = f"{BASE}/StructureDefinition/fml-constant"
TABLE = f"{BASE}/StructureDefinition/fml-conceptmap"
PRAGMA = f"{BASE}/StructureDefinition/fml-pragma"
UNNAMED = f"{BASE}/StructureDefinition/fml-unnamed"
"""Extension: the rule has no name of its own, which R4 demands."""
NO_RULE = f"{BASE}/StructureDefinition/fml-no-rule"
"""Extension: the rule stands here only because R4 demands one; its group has none."""
SIMPLE = "vvv"
"""Variable by which the reference engine knows `a.b -> c.d;`."""
TRANSFORMS = frozenset({
    "create", "copy", "truncate", "escape", "cast", "append", "translate", "reference", "dateOp", "uuid",
    "pointer", "evaluate", "cc", "c", "qty", "id", "cp",
})  # fmt: skip
TYPE_MODES = {None: "none", "types": "types", "type+": "type-and-types"}
STATUSES = frozenset({"draft", "active", "retired", "unknown"})
LIST_MODES = frozenset({"first", "share", "last", "collate"})
_NOT_ID = re.compile(r"[^A-Za-z0-9.-]", re.ASCII)

Json = dict[str, Any]


def to_structure_map(file: MapFile) -> Json:
    """Write a map as R4 StructureMap; `from_structure_map` gives an equal tree."""
    return _Writer(file.original or file).all()


def from_structure_map(resource: Mapping[str, Any], file: str = "") -> tuple[MapFile | None, list[Issue]]:
    """Read an R4 StructureMap; None with MP111 if it lacks what one has, else with the parser's issues."""
    try:
        text = structure_map_text(resource)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None, [Issue("MP111", file)]
    return parse(text, file)


def structure_map_text(resource: Mapping[str, Any]) -> str:
    """Write a StructureMap in the mapping language."""
    parts = [_given(resource, TEXT) or _head(resource)]
    parts += [f"//! {text}" for text in _every(resource, PRAGMA)]
    parts += _every(resource, TABLE)
    parts += [_use(one) for one in resource.get("structure", ())]
    parts += [f"imports {quoted(url, DOUBLE)}" for url in resource.get("import", ())]
    parts += _every(resource, CONSTANT)
    # R4 demands a group; a map that only lends its tables and constants has none.
    lends = _has(resource, TABLE) or _has(resource, CONSTANT)
    parts += [_group(one) for one in (resource.get("group", ()) if lends else resource["group"])]
    return "\n".join(parts) + "\n"


# Out


def _beside(node: Json, url: str, value: str | bool) -> None:
    kind = "valueBoolean" if isinstance(value, bool) else "valueString"
    node.setdefault("extension", []).append({"url": url, kind: value})


def _id(name: str) -> str:
    return _NOT_ID.sub("-", name)[:64] or "-"


def _filled(node: Json) -> Json:
    return {key: value for key, value in node.items() if value not in (None, [], "")}


def _no_rule(group: Group) -> Json:
    made: Json = {}
    _beside(made, NO_RULE, value=True)
    return {
        **made,
        "name": "nothing",
        "source": [{"context": _id(group.inputs[0].name) if group.inputs else "source"}],
    }


class _Writer:
    def __init__(self, file: MapFile) -> None:
        self.file = file
        self.printer = snippets(file)
        self.unnamed = 0

    def all(self) -> Json:
        file = self.file
        said = metadata_of(file)
        name = file.name or "map"
        status = str(said.get("status") or "")
        made: Json = {
            "resourceType": "StructureMap",
            "url": file.url or f"{BASE}/StructureMap/{_id(name)}",
            "version": said.get("version"),
            "name": name,
            "title": said.get("title"),
            "status": status if status in STATUSES else "unknown",
            "description": said.get("description"),
            "structure": [
                _filled({"url": use.url, "mode": use.mode, "alias": use.alias}) for use in file.uses
            ],
            "import": [one.url for one in file.imports],
            "group": [self.group(group) for group in file.groups],
        }
        for key in ("version", "title", "description"):
            made[key] = str(made[key]) if made[key] else None
        made = _filled(made)
        beside: Json = {}
        head = self.printer.head()
        if head != _head(made):
            _beside(beside, TEXT, head)
        for constant in file.constants:
            _beside(beside, CONSTANT, self.printer.constant(constant))
        for table in file.tables:
            _beside(beside, TABLE, self.printer.block(table))
        for comment in file.comments:
            word = pragma(comment.text)
            if word is not None:
                _beside(beside, PRAGMA, " ".join(word))
        return {"resourceType": "StructureMap", **beside, **made}

    def group(self, group: Group) -> Json:
        made = _filled(
            {
                "name": _id(group.name),
                "extends": _id(group.extends) if group.extends else None,
                "typeMode": TYPE_MODES[group.default],
                "input": [
                    _filled({"name": _id(one.name), "type": one.type, "mode": one.mode})
                    for one in group.inputs
                ],
                "rule": [self.rule(rule) for rule in group.rules] or [_no_rule(group)],
            }
        )
        return self.with_text(made, self.printer.group_head(group), _group_head(made))

    def with_text(self, made: Json, text: str, read: str) -> Json:
        if text == read:
            return made
        beside: Json = {}
        _beside(beside, TEXT, text)
        return {**beside, **made}

    def rule(self, rule: Rule) -> Json:
        made: Json = {}
        if rule.name is None:
            self.unnamed += 1
            made["name"] = f"rule-{self.unnamed}"
            _beside(made, UNNAMED, value=True)
        else:
            made["name"] = _id(rule.name)
            if made["name"] != rule.name:
                _beside(made, TEXT, rule.name or '""')
        made["source"] = [self.source(one, is_simple=rule.is_simple) for one in rule.sources]
        made["target"] = [self.target(one, is_simple=rule.is_simple) for one in rule.targets]
        made["rule"] = [self.rule(one) for one in rule.rules or ()]
        made["dependent"] = [
            {
                "name": _id(one.name),
                "variable": [self.printer.parameter(parameter) for parameter in one.parameters],
            }
            for one in rule.dependents
        ]
        for call, node in zip(rule.dependents, made["dependent"], strict=True):
            text = self.printer.invocation(call)
            if text != _call(node):
                _beside(node, TEXT, text)
        return _filled(made)

    def source(self, source: Source, *, is_simple: bool) -> Json:
        def said(tree: Tree | None) -> str | None:
            return None if tree is None else self.printer.expression(tree)

        least, most = source.cardinality or (None, None)
        made = _filled(
            {
                "context": _id(source.context),
                "min": least,
                "max": None if source.cardinality is None else "*" if most is None else str(most),
                "type": source.type,
                "element": ".".join(source.path),
                "listMode": source.mode,
                "variable": SIMPLE if is_simple else source.variable and _id(source.variable),
                "condition": said(source.where),
                "check": said(source.check),
                "logMessage": said(source.log),
            }
        )
        return self.with_text(made, self.printer.source(source), _source(made))

    def target(self, target: Target, *, is_simple: bool) -> Json:
        transform, parameters = self.transform(target.transform)
        made = _filled(
            {
                "context": target.context and _id(target.context),
                "contextType": "variable" if target.context else None,
                "element": ".".join(target.path),
                "variable": SIMPLE if is_simple else target.variable and _id(target.variable),
                "listMode": [target.mode] if target.mode in LIST_MODES else None,
                "listRuleId": target.share and _id(target.share),
                "transform": "create" if is_simple else transform,
                "parameter": parameters,
            }
        )
        return self.with_text(made, self.printer.target(target), _target(made))

    def transform(self, given: Transform | None) -> tuple[str | None, list[Json]]:
        if given is None:
            return None, []
        if isinstance(given, Expression):
            return "evaluate", [{"valueString": self.printer.expression(given.tree)}]
        if not isinstance(given, Invocation):
            return "copy", [self.parameter(given)]
        if given.name not in TRANSFORMS:
            return None, []
        return given.name, [self.parameter(one) for one in given.parameters]

    def parameter(self, given: Parameter) -> Json:
        if isinstance(given, Name):
            return {"valueId": _id(".".join((given.name, *given.path)))}
        if isinstance(given, Expression):
            return {"valueString": self.printer.expression(given.tree)}
        return _literal(given)


def _literal(given: Written) -> Json:
    if given.kind in ("boolean", "integer"):
        return {f"value{given.kind.capitalize()}": given.value}
    if given.kind == "decimal":
        return {"valueDecimal": ExactDecimal(str(given.value))}
    # FHIR has no empty strings; the text beside keeps it.
    return {"valueString": str(given.value) or "''"}


# In


def _every(node: Mapping[str, Any], url: str) -> list[str]:
    return [str(one["valueString"]) for one in node.get("extension", ()) if one.get("url") == url]


def _has(node: Mapping[str, Any], url: str) -> bool:
    return any(one.get("url") == url for one in node.get("extension", ()))


def _given(node: Mapping[str, Any], url: str) -> str | None:
    return next(iter(_every(node, url)), None)


def _path(context: str, element: str | None) -> str:
    return ".".join(delimited(part) for part in (context, *(element.split(".") if element else ())))


def _head(resource: Mapping[str, Any]) -> str:
    said = {key: resource.get(key) for key in ("url", "version", "name", "title", "status", "description")}
    return "\n".join(_metadata(key, str(value)) for key, value in said.items() if value)


def _metadata(key: str, value: str) -> str:
    return f'/// {key} = """\n{value}\n"""' if "\n" in value else f"/// {key} = {quoted(value)}"


def _use(one: Mapping[str, Any]) -> str:
    alias = f" alias {delimited(one['alias'])}" if one.get("alias") else ""
    return f"uses {quoted(one['url'], DOUBLE)}{alias} as {one['mode']}"


def _group(group: Mapping[str, Any]) -> str:
    rules = "\n".join(_rule(rule) for rule in group.get("rule", ()) if not _has(rule, NO_RULE))
    return f"{_given(group, TEXT) or _group_head(group)} {{\n{rules}\n}}"


def _group_head(group: Mapping[str, Any]) -> str:
    inputs = ", ".join(
        f"{one['mode']} {delimited(one['name'])}"
        + (f" : {_path(*_split(one['type']))}" if one.get("type") else "")
        for one in group.get("input", ())
    )
    extends = f" extends {delimited(group['extends'])}" if group.get("extends") else ""
    default = {"types": " <<types>>", "type-and-types": " <<type+>>"}.get(group.get("typeMode", ""), "")
    return f"group {delimited(group['name'])}({inputs}){extends}{default}"


def _split(name: str) -> tuple[str, str]:
    first, _, rest = name.partition(".")
    return first, rest


def _rule(rule: Mapping[str, Any]) -> str:
    text = ", ".join(_given(one, TEXT) or _source(one) for one in rule["source"])
    targets = ", ".join(_given(one, TEXT) or _target(one) for one in rule.get("target", ()))
    if targets:
        text += f" -> {targets}"
    calls = ", ".join(_given(one, TEXT) or _call(one) for one in rule.get("dependent", ()))
    nested = rule.get("rule")
    if calls or nested:
        text += f" then {calls}"
    if nested:
        text += " {\n" + "\n".join(_rule(one) for one in nested) + "\n}"
    name = None if _has(rule, UNNAMED) else rule.get("name")
    name = _given(rule, TEXT) or name
    return f"{text} {quoted(name, DOUBLE)};" if name else f"{text};"


def _call(node: Mapping[str, Any]) -> str:
    return f"{delimited(node['name'])}({', '.join(node.get('variable', ()))})"


def _source(source: Mapping[str, Any]) -> str:
    words = [_path(source["context"], source.get("element"))]
    if source.get("type"):
        words.append(f": {_path(*_split(source['type']))}")
    if "min" in source or "max" in source:
        words.append(f"{source.get('min', 0)}..{source.get('max', '*')}")
    words += [f"default ({text})" for text in _default(source)]
    if source.get("listMode"):
        words.append(source["listMode"])
    if source.get("variable") not in (None, SIMPLE):
        words.append(f"as {delimited(source['variable'])}")
    for word, key in (("where", "condition"), ("check", "check"), ("log", "logMessage")):
        if source.get(key):
            words.append(f"{word} ({source[key]})")
    return " ".join(words)


def _default(source: Mapping[str, Any]) -> Iterator[str]:
    for key, value in source.items():
        if key.startswith("defaultValue") and isinstance(value, (str, int, ExactDecimal)):
            yield quoted(value) if isinstance(value, str) else str(value).lower()


def _target(target: Mapping[str, Any]) -> str:
    is_simple = target.get("variable") == SIMPLE
    words = _path(target["context"], target.get("element")) if target.get("context") else ""
    transform = None if is_simple else target.get("transform")
    if transform:
        value = _transform(transform, target.get("parameter", ()))
        words = f"{words} = {value}" if words else value
    if target.get("variable") and not is_simple:
        words += f" as {delimited(target['variable'])}"
    for mode in target.get("listMode", ()):
        words += f" share {delimited(target.get('listRuleId', ''))}" if mode == "share" else f" {mode}"
    return words


def _transform(name: str, parameters: Sequence[Mapping[str, Any]]) -> str:
    if name == "copy" and len(parameters) == 1:
        return _parameter(parameters[0])
    if name == "evaluate" and len(parameters) == 1 and "valueString" in parameters[0]:
        return f"({parameters[0]['valueString']})"
    said = [
        str(one["valueString"])
        if name == "evaluate" and at == 1 and "valueString" in one
        else _parameter(one)
        for at, one in enumerate(parameters)
    ]
    return f"{name}({', '.join(said)})"


def _parameter(parameter: Mapping[str, Any]) -> str:
    if "valueId" in parameter:
        return _path(*_split(str(parameter["valueId"])))
    if "valueString" in parameter:
        return quoted(str(parameter["valueString"]))
    value = next(iter(value for key, value in parameter.items() if key.startswith("value")))
    return str(value).lower() if isinstance(value, bool) else str(value)
