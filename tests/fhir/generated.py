"""Resources made from the type table: right in shape, invented in content, as odd as R4 allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir.decimals import ExactDecimal, number
from adapter.fhir.types import r4

if TYPE_CHECKING:
    from random import Random

    from adapter.fhir.types import ElementDef, TypeDef

TEXTS = (
    "",
    "Testi Potilas (keksitty)",
    "åäö ŠŽ",
    "quote \" apostrophe ' & < > ]]> <!-- -->",
    "line\nbreak\ttab\rreturn\r\n",
    "  spaces  ",
    "\u00a0\u2028\ufeff\ufffd",
    "😀 e\u0301 \u202eright to left",
    "true",
    "1.50",
    "a" * 300,
)
NUMBERS = ("0", "-0", "1", "-17", "1.50", "100.00", "1e2", "1E+2", "-1.000e-245", "0.0000000001", "9" * 40)
NARRATIVES = (
    '<div xmlns="http://www.w3.org/1999/xhtml">Invented</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="fi"><p title="a &gt; b">x&#160;&amp;<br/></p></div>',
    "<div xmlns='http://www.w3.org/1999/xhtml'><!-- kept --><b></b><![CDATA[ <raw> ]]>\n</div>",
    '<div xmlns="http://www.w3.org/1999/xhtml"><div><div>nested</div></div></div>',
)
DEEPEST = 5


def resource(random: Random, name: str | None = None, depth: int = 0) -> dict[str, Any]:
    """Make a resource of a type, any type if none is named."""
    table = r4()
    chosen = name or random.choice([one for one in table.names("resource") if table.is_resource(one)])
    definition = table.type(chosen)
    assert definition is not None
    return {"resourceType": chosen} | _elements(random, definition, depth)


def _elements(random: Random, definition: TypeDef, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    share = 0.25 if depth else 0.5
    for element in definition.elements.values():
        if element.name == "extension" and random.random() < 0.8:
            continue
        if random.random() < share / (depth + 1):
            _put(random, element, made, depth + 1)
    if definition.name == "Extension":
        made["url"] = "http://example.org/extension"
    if definition.kind != "resource" and not made:
        made["id"] = "x"
    return made


def _put(random: Random, element: ElementDef, made: dict[str, Any], depth: int) -> None:
    table = r4()
    kind = random.choice(element.types)
    key = element.json_key(kind)
    count = random.randint(1, 3) if element.is_list else 1
    if element.form == "attribute":
        made[key] = random.choice(TEXTS)
    elif element.form == "xhtml":
        made[key] = random.choice(NARRATIVES)
    elif table.is_primitive(kind):
        _put_primitives(random, kind, key, count if element.is_list else None, made, depth)
    elif depth > DEEPEST:
        return
    else:
        values = [_value(random, kind, depth) for _ in range(count)]
        made[key] = values if element.is_list else values[0]


def _value(random: Random, kind: str, depth: int) -> dict[str, Any]:
    if r4().is_a(kind, "Resource"):
        return resource(random, depth=depth)
    definition = r4().type(kind)
    assert definition is not None
    return _elements(random, definition, depth)


def _put_primitives(
    random: Random, kind: str, key: str, count: int | None, made: dict[str, Any], depth: int
) -> None:
    pairs = [_primitive(random, kind, depth) for _ in range(count or 1)]
    values, besides = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if any(value is not None for value in values):
        made[key] = values[0] if count is None else values
    if any(beside is not None for beside in besides):
        made[f"_{key}"] = besides[0] if count is None else besides


def _primitive(random: Random, kind: str, depth: int) -> tuple[Any, dict[str, Any] | None]:
    beside = None
    if random.random() < 0.15:
        beside = {"id": "p1"}
        if depth < DEEPEST:
            beside = {"extension": [{"url": "http://example.org/why", "valueCode": "unknown"}]}
    if beside is not None and random.random() < 0.5:
        return None, beside
    return plain(random, kind), beside


def plain(random: Random, kind: str) -> str | int | bool | ExactDecimal:
    """Make a value of a primitive type."""
    definition = r4().type(kind)
    assert definition is not None
    if definition.system_type == "System.Boolean":
        return random.random() < 0.5
    if definition.system_type in ("System.Integer", "System.Decimal"):
        return number(random.choice(NUMBERS))
    return random.choice(TEXTS)


def told(value: Any) -> Any:
    """Return a value in a form where equal means told alike: kind and digits of a number count too."""
    if isinstance(value, dict):
        return {key: told(item) for key, item in value.items()}
    if isinstance(value, list):
        return [told(item) for item in value]
    return (type(value).__name__, str(value))
