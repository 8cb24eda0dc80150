r"""A result as an HL7 v2 message: segments in the order the map makes them, everything escaped that must be.

The tree is the reader's: segments by name, fields `f1`.., components `c1`.., subcomponents `c1s1`..; a plain
value stands for the first component. A segment under another one (`obr.OBX`) follows it at once. MSH comes
first wherever it was made; its MSH-1 and MSH-2, where the map writes them, are the delimiters, and MSH-18 is
the character set. Without MSH-18, text beyond ASCII goes out as UTF-8 and MSH-18 says so.

`f.null = true` writes the HL7 null `""`, which tells the receiver to delete; a text that only looks like it
is escaped. HL7 v2.5.1 chapter 2: 2.5 (delimiters), 2.7 (escapes), 2.14.9 (MSH).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.errors import Malformed
from adapter.mapping.readers.hl7v2 import CHARSETS, delimiters, place
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.mapping.nodes import Item, Step
    from adapter.mapping.readers.hl7v2 import Delimiters

FIELD_SEPARATOR, ENCODING = "|", "^~\\&"
UTF8 = "UNICODE UTF-8"
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_FIELD = re.compile(r"f([1-9]\d{0,2})")
_COMPONENT = re.compile(r"c([1-9]\d?)(?:s([1-9]\d?))?")
_LEVELS = (_SEGMENT, _FIELD, re.compile(f"(?:{_COMPONENT.pattern}|null)"))
_NEXT = frozenset({(0, 0), (0, 1), (1, 1), (2, 2)})
"""What may stand where: a segment at the top or under another, a field in it, a component in that."""


def misplaced(way: Sequence[str]) -> tuple[str, ...]:
    """Return a way into a message as far as its first name that is no place there; empty if all are."""
    level = 0
    for at, name in enumerate(way, 1):
        known = next((at for at, form in enumerate(_LEVELS) if form.fullmatch(name)), None)
        if known is None or (known, level) not in _NEXT:
            return tuple(way[:at])
        level = known + 1
    return ()


def write(made: dict[str, Item], *, charset: str = "") -> bytes:
    """Write one message, each segment ended by a carriage return.

    `charset`, as MSH-18 would name it, is for messages that do not say.

    Raises Malformed MP342..MP349 with everything that cannot be written, each at its place (`PID-5[2].1`).
    """
    header = made.get("MSH")
    if not isinstance(header, dict):
        raise Malformed("MP347", at="MSH")
    try:
        signs = delimiters(_opening(header))
    except (Malformed, UnicodeEncodeError):
        raise Malformed("MP348", at="MSH-2") from None
    return _Message(signs, header, charset).bytes(made)


def _opening(header: dict[str, Item]) -> bytes:
    separator = _plain(header.get("f1")) or FIELD_SEPARATOR
    return f"MSH{separator}{_plain(header.get('f2')) or ENCODING}{separator}".encode("ascii")


def _plain(value: Item) -> str:
    """Return the text of a field that has no parts worth speaking of, such as MSH-18."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("c1")
    return value if isinstance(value, str) else ""


class _Message:
    """One message under writing."""

    def __init__(self, signs: Delimiters, header: dict[str, Item], charset: str) -> None:
        self.signs = signs
        self.encoding = _plain(header.get("f2")) or ENCODING
        self.faults: list[Issue] = []
        self.declared = _plain(header.get("f18")) or charset
        self.codec = CHARSETS.get(self.declared.upper(), "") if self.declared else "utf-8"
        if not self.codec:
            self.fault("MP343", "MSH-18", charset="MSH-18")
        marks = {
            signs.field: "F", signs.component: "S", signs.subcomponent: "T", signs.repetition: "R",
            signs.escape: "E", "\n": ".br",
        }  # fmt: skip
        self.escapes = {sign: f"{signs.escape}{mark}{signs.escape}" for sign, mark in marks.items() if sign}
        self.special = re.compile("[" + "".join(map(re.escape, self.escapes)) + "\x00-\x1f\x7f]")

    def bytes(self, made: dict[str, Item]) -> bytes:
        lines = [self.segment(name, node, way) for name, node, way in self.segments(made)]
        if self.faults:
            raise Malformed(self.faults[0].code, at=self.faults[0].at, issues=self.faults)
        text = "".join(f"{line}\r" for line in lines)
        if not self.declared and not text.isascii():
            lines[0] = self.declaring(lines[0])
            text = "".join(f"{line}\r" for line in lines)
        return text.encode(self.codec)

    def declaring(self, header: str) -> str:
        """Return MSH with MSH-18 saying UTF-8."""
        fields = header.split(self.signs.field)
        fields += [""] * (18 - len(fields))
        fields[17] = UTF8
        return self.signs.field.join(fields)

    def fault(self, code: str, at: str, **params: str | int) -> None:
        self.faults.append(Issue(code, at, params))

    # Segments

    def segments(self, made: dict[str, Item]) -> Iterator[tuple[str, dict[str, Item], Step]]:
        """Yield every segment once: by line where the tree was read, else MSH, then as they were made."""
        found = list(self.below(made, {}))
        seen: set[int] = set()
        once = [one for one in found if id(one[1]) not in seen and not seen.add(id(one[1]))]  # type: ignore[func-returns-value]
        lines = [getattr(node, "line", None) for _, node, _ in once]
        if all(line is not None for line in lines):
            once = [one for _, one in sorted(zip(lines, once, strict=True), key=lambda pair: pair[0] or 0)]
        yield from sorted(once, key=lambda one: one[0] != "MSH")

    def below(
        self, node: dict[str, Item], counts: dict[str, int]
    ) -> Iterator[tuple[str, dict[str, Item], Step]]:
        for key, value in node.items():
            if _SEGMENT.fullmatch(key) is None:
                if _FIELD.fullmatch(key) is None or not counts:
                    self.fault("MP342", key, name=key)
                continue
            parts = value if isinstance(value, list) else [value]
            for one in parts:
                number = counts.get(key, 0)
                counts[key] = number + 1
                step = (key, number if number or len(parts) > 1 else None)
                if not isinstance(one, dict):
                    self.fault("MP342", place((step,), None, None), name=key)
                    continue
                yield key, one, step
                yield from self.below(one, counts)

    def segment(self, name: str, node: dict[str, Item], step: Step) -> str:
        fields: dict[int, str] = {}
        for key, value in node.items():
            match = _FIELD.fullmatch(key)
            if match is not None and not (name == "MSH" and key in ("f1", "f2")):
                fields[int(match[1])] = self.field(value, (step, (key, None)))
        first = 3 if name == "MSH" else 1
        head = f"MSH{self.signs.field}{self.encoding}" if name == "MSH" else name
        last = max((number for number, text in fields.items() if text), default=0)
        return self.signs.field.join([head, *(fields.get(at, "") for at in range(first, last + 1))])

    # Fields

    def field(self, value: Item, way: tuple[Step, Step]) -> str:
        if not isinstance(value, list):
            return self.repetition(value, way)
        segment, (name, _) = way
        return self.signs.repetition.join(
            self.repetition(one, (segment, (name, at))) for at, one in enumerate(value)
        )

    def repetition(self, value: Item, way: tuple[Step, Step]) -> str:
        if not isinstance(value, dict):
            return self.leaf(value, way, "c1")
        if value.get("null") is True:
            return '""'
        parts: dict[int, dict[int, str]] = {}
        for key, one in value.items():
            match = _COMPONENT.fullmatch(key)
            if match is None:
                self.fault("MP342", place(way, None, None), name=key)
                continue
            number, below = int(match[1]), int(match[2] or 0)
            parts.setdefault(number, {})[below] = self.leaf(one, way, key)
        texts = {number: self.component(one, way, number) for number, one in parts.items()}
        return _joined(texts, self.signs.component)

    def component(self, parts: dict[int, str], way: tuple[Step, Step], number: int) -> str:
        """Join subcomponents; `c1` beside `c1s1` is the same value under its other name."""
        whole = parts.pop(0, None)
        if whole is not None and parts.setdefault(1, whole) != whole:
            self.fault("MP345", place(way, f"c{number}", None), count=2)
        if len(parts) > 1 and not self.signs.subcomponent:
            self.fault("MP349", place(way, f"c{number}", None))
        return _joined(parts, self.signs.subcomponent)

    def leaf(self, value: Item, way: tuple[Step, Step], key: str) -> str:
        if isinstance(value, list):
            if len(value) > 1:
                self.fault("MP345", place(way, key, None), count=len(value))
            value = value[0] if value else None
        if isinstance(value, dict):
            self.fault("MP346", place(way, key, None))
            return ""
        if value is None:
            return ""
        text = ("Y" if value else "N") if isinstance(value, bool) else str(value)
        return self.escaped(text, way, key)

    def escaped(self, text: str, way: tuple[Step, Step], key: str) -> str:
        try:
            text.encode(self.codec or "utf-8")
        except UnicodeEncodeError:
            self.fault("MP343", place(way, key, None), charset=self.declared or UTF8)
            return ""
        if text == '""':
            safe = self.hexadecimal(text)
        elif self.special.search(text) is None:
            return text
        else:
            safe = self.special.sub(
                lambda match: self.escapes.get(match[0]) or self.hexadecimal(match[0]), text
            )
        if not self.signs.escape:
            self.fault("MP349", place(way, key, None))
        return safe

    def hexadecimal(self, text: str) -> str:
        return f"{self.signs.escape}X{text.encode('ascii').hex().upper()}{self.signs.escape}"


def _joined(texts: dict[int, str], sign: str) -> str:
    last = max((number for number, text in texts.items() if text), default=0)
    return sign.join(texts.get(at, "") for at in range(1, last + 1))
