"""A result as XML: by a logical model, or as the XML reader would have it.

By a model: names, namespaces, attributes and text as the model says. FHIR R4 logical models; the extensions
that HL7's CDA model uses (xml-name, xml-namespace) and the representations xmlAttr, xmlText and typeAttr of
ElementDefinition. Without one: what has parts is an element, a leaf an attribute, `xmlText` the text, `div`
the narrative of FHIR as the text of a CDA section, `xmlType` the type that xsi:type declares.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lxml import etree

from adapter.errors import Malformed
from adapter.mapping.models import r4_shape
from adapter.mapping.readers.xml import PREFIXES
from adapter.mapping.run import Made
from adapter.mapping.writers import narrative
from adapter.outcome import Issue

if TYPE_CHECKING:
    from adapter.mapping.models import Shape, Slot
    from adapter.mapping.nodes import Item

    Part = dict[str, Item]

FHIR = "http://hl7.org/fhir"
STRUCTURE = f"{FHIR}/StructureDefinition/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
_PREFIX_OF = {prefix: namespace for namespace, prefix in PREFIXES.items() if prefix}
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0, 2.2: what is no Char."""
_NAME = re.compile(r"[^\W\d][\w.-]*")


def write(made: Made, *, root: str = "document", namespace: str = "") -> bytes:
    """Write `made` as a document in UTF-8.

    `root` and `namespace` name the outermost element where no model does.

    Raises Malformed with everything that cannot be written, each at its path: MP341 (a control character),
    MP342 (no name of XML), MP345 (several values where one can stand).
    """
    shape = made.shape
    home = (shape.namespace if shape is not None else namespace) or None
    name = shape.name if shape is not None else root
    document = _Document()
    top = etree.Element(_qualified(home, name), nsmap=_nsmap(home, made))
    document.fill(top, made, home, f"/{name}")
    if document.faults:
        raise Malformed(document.faults[0].code, at=document.faults[0].at, issues=document.faults)
    return etree.tostring(top, xml_declaration=True, encoding="UTF-8")


def _nsmap(namespace: str | None, made: Part) -> Item:
    known: dict[str | None, str] = {None: namespace} if namespace else {}
    used = _namespaces(made)
    return known | {
        prefix: url for prefix, url in {"xsi": XSI, **_PREFIX_OF}.items() if url in used and url != namespace
    }


def _namespaces(made: Part) -> set[str]:
    """Return the namespaces below `made`, XSI among them where a type is said by xsi:type."""
    found: set[str] = set()
    for key, value in made.items():
        slot = _slot(made, key)
        if slot is not None and slot.namespace:
            found.add(slot.namespace)
        if _form(made, key, slot) == "type":
            found.add(XSI)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                found |= _namespaces(one)
                if slot is not None and slot.declares_type:
                    found.add(XSI)
    return found


def _slot(made: Part, key: str) -> Slot | None:
    shape = _shape(made)
    known = shape.order.get(key) if shape is not None else None
    return known[1] if known is not None else None


def _shape(made: Part) -> Shape | None:
    """Return the type of a part; one that was copied from the source has none."""
    return made.shape if isinstance(made, Made) else None


def _qualified(namespace: str | None, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


def _form(made: Part, key: str, slot: Slot | None) -> str:
    shape = _shape(made)
    if shape is not None and shape.kind == "complex" and key in _ATTRIBUTES.get(shape.name, _ID):
        return "attribute"
    if slot is not None and shape is not None and slot.form == "element":
        kinds = (shape.order[key][2],) if slot.is_choice else slot.types
        return "value" if kinds and all(map(_is_value, kinds)) else "element"
    if slot is not None:
        return slot.form
    if shape is not None:
        return "element"
    if key == "xmlText" and "div" in made:
        return "lines"
    return _FORMS.get(key, "attribute")


_FORMS = {"xmlText": "text", "xmlType": "type", "div": "narrative"}
"""How leaves with a meaning of their own are written without a model; `lines` are those of a narrative."""


_ID = frozenset({"id"})
_ATTRIBUTES = {"Extension": frozenset({"id", "url"})}
"""Elements that FHIR's own types write as attributes. FHIR R4 xml.html."""


def _is_value(kind: str) -> bool:
    """True for FHIR's primitives, which XML has as an attribute `value` of their element."""
    shape = r4_shape(kind.removeprefix(STRUCTURE))
    return shape is not None and shape.is_primitive and kind != "xhtml"


def _like(parts: Part, shape: Shape) -> Made:
    made = Made(shape)
    made.update(parts)
    return made


def _xhtml(text: str) -> etree._Element | None:
    """Read the `div` of a narrative; None for text without markup, which stands for itself."""
    if not text.lstrip().startswith("<"):
        return None
    try:
        root: etree._Element = etree.fromstring(text, _parser())
    except etree.XMLSyntaxError:
        return None
    return root


def _parser() -> etree.XMLParser[Any]:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )


class _Document:
    """One document under writing."""

    def __init__(self) -> None:
        self.faults: list[Issue] = []

    def fault(self, code: str, at: str, **params: str | int) -> None:
        self.faults.append(Issue(code, at, params))

    def fill(self, element: etree._Element, made: Part, around: str | None, path: str) -> None:
        shape = _shape(made)
        order = shape.order if shape is not None else {}
        for key in sorted(made, key=lambda key: order[key][0] if key in order else len(order)):
            slot = _slot(made, key)
            values = made[key] if isinstance(made[key], list) else [made[key]]
            name = (slot.xml_name if slot is not None else None) or key
            if _NAME.fullmatch(name) is None:
                self.fault("MP342", path, name=name)
                continue
            namespace = (slot.namespace if slot is not None else None) or around
            parts = [one for one in values if isinstance(one, dict)]
            leaves = [one for one in values if one is not None and not isinstance(one, dict)]
            if slot is not None and slot.is_group:
                for one in parts:
                    self.fill(element, one, around, path)
                continue
            for at, one in enumerate(parts, 1):
                number = f"[{at}]" if len(parts) > 1 else ""
                self.child(
                    element, _qualified(namespace, name), slot, one, f"{path}/{name}{number}", namespace
                )
            self.leaves(element, (name, namespace), (_form(made, key, slot), slot), leaves, path)

    def child(
        self, element: etree._Element, tag: str, slot: Slot | None, made: Part, path: str,
        namespace: str | None,
    ) -> None:  # fmt: skip
        child = etree.SubElement(element, tag)
        shape = _shape(made)
        if shape is not None and shape.kind == "resource":
            # FHIR R4 xml.html: a resource inside of another element has an element of its own.
            child, namespace = etree.SubElement(child, _qualified(FHIR, shape.name), nsmap={None: FHIR}), FHIR
            made = {key: value for key, value in made.items() if key != "resourceType"}
            self.fill(child, _like(made, shape), namespace, f"{path}/{shape.name}")
            return
        if slot is not None and slot.declares_type and shape is not None:
            child.set(f"{{{XSI}}}type", shape.name)
        self.fill(child, made, namespace, path)

    def leaves(
        self, element: etree._Element, named: tuple[str, str | None], kind: tuple[str, Slot | None],
        values: list[Item], path: str,
    ) -> None:  # fmt: skip
        (name, namespace), (form, slot) = named, kind
        where = f"{path}/@{name}" if form == "attribute" else path
        if form in ("element", "value"):
            for at, value in enumerate(values, 1):
                number = f"[{at}]" if len(values) > 1 else ""
                child = etree.SubElement(element, _qualified(namespace, name))
                if form == "value":
                    child.set("value", self.text(value, f"{path}/{name}{number}"))
                else:
                    self.content(child, value, slot, f"{path}/{name}{number}")
            return
        if len(values) > 1 or (values and form == "text" and element.text):
            self.fault("MP345", where, count=max(len(values), 2))
        for value in values[:1]:
            if form == "attribute":
                element.set(name, self.text(value, where))
            elif form == "type":
                element.set(f"{{{XSI}}}type", self.text(value, where))
            elif form == "narrative":
                self.narrative(element, self.text(value, where))
            elif form == "text":
                element.text = self.text(value, where)

    def content(self, element: etree._Element, value: Item, slot: Slot | None, path: str) -> None:
        """Put a leaf into its element; XHTML becomes the text of a CDA section."""
        text = self.text(value, path)
        if slot is not None and slot.types == ("xhtml",):
            self.narrative(element, text)
        else:
            element.text = text

    def narrative(self, element: etree._Element, text: str) -> None:
        """Put a narrative into the text of its section."""
        div = _xhtml(text)
        if div is None:
            element.text = text
        else:
            narrative.into(element, div, etree.QName(element).namespace)

    def text(self, value: Item, path: str) -> str:
        """Return a leaf as text of XML; empty, and a fault, if XML cannot hold it."""
        text = "true" if value is True else "false" if value is False else str(value)
        if _UNWRITABLE.search(text):
            self.fault("MP341", path)
            return ""
        return text
