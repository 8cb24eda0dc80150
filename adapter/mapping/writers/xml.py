"""A result by a logical model as XML: names, namespaces, attributes and text as the model says.

FHIR R4 logical models; the extensions that HL7's CDA model uses (xml-name, xml-namespace) and the
representations xmlAttr, xmlText and typeAttr of ElementDefinition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

from adapter.errors import Malformed
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from adapter.mapping.models import Slot
    from adapter.mapping.nodes import Item

XSI = "http://www.w3.org/2001/XMLSchema-instance"


def write(made: Made, *, pretty: bool = False) -> bytes:
    """Write `made` as a document.

    Raises Malformed MP341 where XML cannot hold a value (a control character).
    """
    shape = made.shape
    namespace = shape.namespace if shape is not None else None
    name = shape.name if shape is not None else "document"
    try:
        root = etree.Element(_qualified(namespace, name), nsmap=_nsmap(namespace, made))
        _fill(root, made, namespace)
    except ValueError:
        raise Malformed("MP341", at=name) from None
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=pretty)


def _nsmap(namespace: str | None, made: Made) -> Item:
    known: dict[str | None, str] = {None: namespace} if namespace else {}
    if _declares(made):
        known["xsi"] = XSI
    return known


def _declares(made: Made) -> bool:
    """Tell whether anything below says its type by xsi:type."""
    for key, value in made.items():
        slot = _slot(made, key)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Made) and ((slot is not None and slot.declares_type) or _declares(one)):
                return True
    return False


def _slot(made: Made, key: str) -> Slot | None:
    known = made.shape.order.get(key) if made.shape is not None else None
    return known[1] if known is not None else None


def _qualified(namespace: str | None, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


def _fill(element: etree._Element, made: Made, around: str | None) -> None:
    order = made.shape.order if made.shape is not None else {}
    for key in sorted(made, key=lambda key: order[key][0] if key in order else len(order)):
        slot = _slot(made, key)
        value = made[key]
        for one in value if isinstance(value, list) else [value]:
            _one(element, key, slot, one, around)


def _one(element: etree._Element, key: str, slot: Slot | None, value: Item, around: str | None) -> None:
    name = (slot.xml_name if slot is not None else None) or key
    if isinstance(value, Made):
        namespace = (slot.namespace if slot is not None else None) or around
        child = etree.SubElement(element, _qualified(namespace, name))
        if slot is not None and slot.declares_type and value.shape is not None:
            child.set(f"{{{XSI}}}type", value.shape.name)
        _fill(child, value, namespace)
        return
    text = "true" if value is True else "false" if value is False else str(value)
    if slot is not None and slot.form == "attribute":
        element.set(name, text)
    elif slot is not None and slot.form == "text":
        element.text = text
    else:
        etree.SubElement(element, _qualified(around, name)).text = text
