r"""HL7 v2 in ER7 (the bars and hats): delimiters as MSH declares them, nothing else assumed.

The tree: the message has its segments by name, a segment its fields `f1`.., a field (one node for each
repetition) its components `c1`.., and where a component has subcomponents also `c1s1`, `c1s2`... What is
empty is absent. HL7 v2.5.1 chapter 2: 2.5 (delimiters), 2.7 (escapes), 2.14.9 (MSH).

Real senders end segments with LF or CRLF, leave the charset undeclared, or send raw backslashes: all of that
is read, and what was assumed is an issue. What is not read at all is refused with the line or segment.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.errors import Malformed, TooCostly, Unsupported
from adapter.fhir.budget import DEFAULT
from adapter.mapping.nodes import Node, SourceTree, Step, Typed
from adapter.outcome import Issue

if TYPE_CHECKING:
    from adapter.fhir.budget import Budget

CHARSETS = {
    "": "ascii", "ASCII": "ascii", "US-ASCII": "ascii",
    "8859/1": "iso8859-1", "8859/2": "iso8859-2", "8859/3": "iso8859-3", "8859/4": "iso8859-4",
    "8859/5": "iso8859-5", "8859/6": "iso8859-6", "8859/7": "iso8859-7", "8859/8": "iso8859-8",
    "8859/9": "iso8859-9", "8859/15": "iso8859-15",
    "ISO-8859-1": "iso8859-1", "ISO8859-1": "iso8859-1", "ISO-8859-15": "iso8859-15", "LATIN1": "iso8859-1",
    "ISO8859-15": "iso8859-15", "WINDOWS-1252": "cp1252", "CP1252": "cp1252",
    "GB 18030-2000": "gb18030", "KS X 1001": "euc_kr", "BIG-5": "big5",
    "UNICODE": "utf-8", "UNICODE UTF-8": "utf-8", "UTF-8": "utf-8", "UTF8": "utf-8",
}  # fmt: skip
"""MSH-18 (table 0211) and what senders write instead, as Python codecs."""
_NOTES = frozenset({"NTE"})
FOLLOWERS: dict[str, frozenset[str]] = {
    "PR1": frozenset({"ROL", "PRT"}),
    "IN1": frozenset({"IN2", "IN3", "ROL"}),
    "ORC": frozenset({"OBR", "RXO", "RXE", "RXD", "RXG", "RXA", "RQD", "ODS", "TQ1", "DG1", "NTE"}),
    "OBR": frozenset({"OBX", "NTE", "TCD", "SPM", "CTI", "CTD", "TQ1", "DG1", "PRT"}),
    "OBX": frozenset({"NTE", "PRT"}),
    "SPM": frozenset({"OBX"}),
    "RXA": frozenset({"RXR", "OBX", "NTE"}),
    "RXD": frozenset({"RXR", "RXC", "OBX", "NTE"}),
    "RXE": frozenset({"RXR", "RXC", "OBX", "NTE"}),
    "RXG": frozenset({"RXR", "RXC", "OBX", "NTE"}),
    "RXO": frozenset({"RXR", "RXC", "NTE"}),
    "RGS": frozenset({"AIS", "AIG", "AIL", "AIP"}),
    "AIS": _NOTES, "AIG": _NOTES, "AIL": _NOTES, "AIP": _NOTES,
    "FT1": frozenset({"PR1", "DG1"}),
    "TXA": frozenset({"OBX"}),
}  # fmt: skip
"""Which segments belong to the group that a segment leads, as far as maps have use for it.

A PID leads all that follows it up to the next one (A40: PID and MRG in pairs), but for `OF_MESSAGE`.
"""
OF_MESSAGE = frozenset({"MSH", "SFT", "UAC", "EVN", "MSA", "ERR", "QAK", "QPD", "QRD", "QRF", "DSC", "PID"})
"""Segments that speak of the message or the question, never of one patient."""
SPENT = (("MSH", "f1"), ("MSH", "f2"), ("MSH", "f18"))
"""Delimiters and charset: what the reader itself lives by."""
SEGMENTS_AT_MOST = 100_000
_BLOCK = b"\x0b\x1c"
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_COUNT = re.compile(r"[+ ]*([0-9]{1,4})[+ ]*")
_VERSION = re.compile(r"2(\.[1-9](\.[12])?)?")
_MOJIBAKE = re.compile(
    "[\u00c2\u00c3][\u0080-\u00bf\u0152\u0153\u0160\u0161\u017d\u017e\u0178\u0192\u2013-\u2026\u20ac\u2122]"
)
"""UTF-8 letters of western Europe that were read as 8859/1 or windows-1252."""


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters of MSH-1 and MSH-2."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


def read(body: bytes, *, budget: Budget = DEFAULT, charset: str | None = None) -> SourceTree:
    """Read one message.

    `charset` is the source's own, as MSH-18 would name it, for messages that do not say.

    Raises Malformed (SR101..SR105) naming line and segment, Unsupported for batches (SR106) and charsets
    (SR107), TooCostly (SR108).
    """
    if len(body) > budget.bytes:
        raise TooCostly("SR108", params={"limit": budget.bytes, "unit": "bytes"})
    body = body.strip(_BLOCK + b"\r\n").removeprefix(b"\xef\xbb\xbf").lstrip()
    signs = delimiters(body)
    parts = (signs.field, signs.component, signs.repetition, signs.subcomponent, signs.escape, "\r", "\n")
    count = sum(body.count(sign.encode()) for sign in parts if sign)
    if count > budget.elements:
        raise TooCostly("SR108", params={"limit": budget.elements, "unit": "elements"})
    issues: list[Issue] = []
    text, codec = _decoded(body, signs, charset, issues)
    return _Message(signs, codec, issues, budget).read(text)


def delimiters(body: bytes) -> Delimiters:
    """Return what the first line of a message declares in MSH-1 and MSH-2.

    Raises Malformed SR101 (no MSH), SR102, SR103, Unsupported SR106 for a batch.
    """
    head = body[:3]
    if head in (b"FHS", b"BHS"):
        raise Unsupported("SR106", params={"segment": head.decode()}, line=1)
    if head != b"MSH":
        found = head.decode("ascii", "replace")
        name = found if _SEGMENT.fullmatch(found) else None
        raise Malformed("SR101", params={"segment": name or "?"}, line=1, source_field=name)
    first_line = re.split(rb"[\r\n]", body, maxsplit=1)[0]
    sign = first_line[3:4].decode("latin-1")
    signs = first_line[4:].split(first_line[3:4], 1)[0].decode("latin-1") if sign else ""
    if not 2 <= len(signs) <= 5:
        raise Malformed("SR102", line=1, source_field="MSH-2")
    # An absent escape or subcomponent character means that none is used. HL7 v2.5.1, 2.5.4.
    every = sign + signs[:4]
    if len(set(every)) != len(every) or any(one.isalnum() or not " " < one <= "~" for one in every):
        raise Malformed("SR103", line=1, source_field="MSH-2")
    return Delimiters(sign, signs[0], signs[1], signs[2:3], signs[3:4])


def _decoded(body: bytes, signs: Delimiters, configured: str | None, issues: list[Issue]) -> tuple[str, str]:
    """Decode by MSH-18, else by what the source is known to use, else by what the bytes can only be."""
    declared = _declared_charset(body, signs)
    name = declared or configured or ""
    codec = CHARSETS.get(name.upper())
    if codec is None:
        raise Unsupported("SR107", source_field="MSH-18", line=1)
    if body.isascii():
        return body.decode("ascii"), codec
    is_utf8 = _is_utf8(body)
    if codec == "ascii":
        if not is_utf8:
            issues.append(Issue("SR112", source_field="MSH-18", line=1))
            return body.decode("ascii", "replace"), codec
        issues.append(Issue("SR111", source_field="MSH-18", line=1))
        codec = "utf-8"
    text = body.decode(codec, "replace")
    if codec != "utf-8" and is_utf8:
        issues.append(Issue("SR114", params={"charset": name}, source_field="MSH-18", line=1))
    return text, codec


def _declared_charset(body: bytes, signs: Delimiters) -> str | None:
    header = re.split(rb"[\r\n]", body, maxsplit=1)[0].decode("latin-1").split(signs.field)
    if len(header) < 18:
        return None
    return header[17].split(signs.repetition)[0].split(signs.component)[0].strip() or None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Message:
    """One message under reading."""

    def __init__(self, signs: Delimiters, codec: str, issues: list[Issue], budget: Budget) -> None:
        self.signs = signs
        self.codec = codec
        self.issues = issues
        self.budget = budget
        self.nulls: list[str] = []
        special = [signs.repetition, signs.component, signs.subcomponent, signs.escape]
        self.special = re.compile(
            "[" + "".join(re.escape(sign) for sign in special if sign) + '"\ufffd\u00c2\u00c3]'
        )
        self.root = Typed("V2")
        self.leaders: list[Typed] = []
        self.patient: Typed | None = None
        self.counts: Counter[str] = Counter()
        escape = re.escape(signs.escape) if signs.escape else "(?!)"
        self.escape = re.compile(f"{escape}([^{escape}]*){escape}" if signs.escape else "(?!)")
        self.plain_escapes = {
            "F": signs.field, "S": signs.component, "T": signs.subcomponent,
            "R": signs.repetition, "E": signs.escape, ".br": "\n", ".BR": "\n", "H": "", "N": "",
            ".nf": "", ".fi": "", ".ce": "\n",
        }  # fmt: skip

    def read(self, text: str) -> SourceTree:
        lines = re.split(r"\r\n|\r|\n", text)
        if len(lines) > SEGMENTS_AT_MOST:
            raise TooCostly("SR108", params={"limit": SEGMENTS_AT_MOST, "unit": "segments"})
        self.counts = Counter(line[:3] for line in lines)
        for number, line in enumerate(lines, 1):
            if line:
                self.segment(line, number)
        self.check_version()
        return SourceTree(self.root, "hl7v2", place, self.issues, self.nulls, SPENT)

    def segment(self, line: str, number: int) -> None:
        fields = line.split(self.signs.field)
        name = fields[0]
        if _SEGMENT.fullmatch(name) is None:
            self.issues.append(Issue("SR104", params={"line": number}, line=number))
            return
        if name == "MSH" and self.root:
            raise Malformed("SR105", line=number, source_field="MSH")
        segment = Typed(name, number)
        index = _add(self.root, name, segment)
        first = 1
        if name == "MSH":
            segment["f1"] = Node(c1=self.signs.field)
            if len(fields) > 1:
                segment["f2"] = Node(c1=fields[1])
            fields, first = ["MSH", *fields[2:]], 3
        for at, field in enumerate(fields[1:], first):
            if field:
                self.field(segment, at, field, index)
        self.follow(name, segment)

    def follow(self, name: str, segment: Typed) -> None:
        """Give the segment to the leader of its group, too."""
        leaders = self.leaders
        if name in OF_MESSAGE:
            leaders.clear()
            self.patient = segment if name == "PID" else None
            return
        while leaders and name not in FOLLOWERS[leaders[-1].type or ""]:
            leaders.pop()
        leader = leaders[-1] if leaders else self.patient
        if leader is not None:
            _add(leader, name, segment)
        if name in FOLLOWERS:
            leaders.append(segment)

    def field(self, segment: Typed, number: int, field: str, index: int) -> None:
        if self.special.search(field) is None:
            segment[f"f{number}"] = Node(c1=field)
            return
        repetitions = field.split(self.signs.repetition)
        for at, repetition in enumerate(repetitions):
            if repetition:
                where = (segment, index, number, at if len(repetitions) > 1 else None)
                node = self.components(repetition, where)
                if node:
                    _add(segment, f"f{number}", node)

    def components(self, text: str, where: tuple[Typed, int, int, int | None]) -> Node:
        node = Node()
        components = text.split(self.signs.component)
        for at, component in enumerate(components, 1):
            if not component:
                continue
            if self.signs.subcomponent and self.signs.subcomponent in component:
                parts = [self.leaf(part, where, at) for part in component.split(self.signs.subcomponent)]
                if parts[0] is not None:
                    node[f"c{at}"] = parts[0]
                for below, part in enumerate(parts, 1):
                    if part is not None:
                        node[f"c{at}s{below}"] = part
            else:
                leaf = self.leaf(component, where, at)
                if leaf is not None:
                    node[f"c{at}"] = leaf
        return node

    def leaf(self, text: str, where: tuple[Typed, int, int, int | None], component: int) -> str | None:
        if not text:
            return None
        if text == '""':
            self.nulls.append(self.words(where, component))
            return None
        if self.signs.escape and self.signs.escape in text:
            text = self.unescaped(text, where, component)
        if "\ufffd" in text:
            self.complain("SR113", where, component)
        elif self.codec == "utf-8" and _MOJIBAKE.search(text):
            self.complain("SR115", where, component)
        return text

    def unescaped(self, text: str, where: tuple[Typed, int, int, int | None], component: int) -> str:
        unknown = False

        def plain(match: re.Match[str]) -> str:
            nonlocal unknown
            mark = match[1]
            known = self.plain_escapes.get(mark)
            if known is not None:
                return known
            if mark[:1] == "X" and (decoded := self.hexadecimal(mark[1:])):
                return decoded
            if mark[:3] in (".sp", ".sk"):
                count = _COUNT.fullmatch(mark, 3)
                return ("\n" if mark[2] == "p" else " ") * min(int(count[1]) if count else 1, 80)
            if mark[:3] in (".in", ".ti"):
                return ""
            unknown = True
            return match[0]

        plain_text = self.escape.sub(plain, text)
        if unknown or len(self.escape.sub("", text).split(self.signs.escape)) > 1:
            self.complain("SR116", where, component)
        return plain_text

    def hexadecimal(self, digits: str) -> str | None:
        try:
            return bytes.fromhex(digits).decode(self.codec)
        except (ValueError, UnicodeDecodeError):
            return None

    def words(self, where: tuple[Typed, int, int, int | None], component: int) -> str:
        segment, index, field, repetition = where
        name = segment.type or ""
        steps: tuple[Step, ...] = (
            (name, index if self.counts[name] > 1 else None),
            (f"f{field}", repetition),
        )
        return place(steps, f"c{component}", None)

    def complain(self, code: str, where: tuple[Typed, int, int, int | None], component: int) -> None:
        self.issues.append(Issue(code, source_field=self.words(where, component), line=where[0].line))

    def check_version(self) -> None:
        header = self.root.get("MSH")
        if not isinstance(header, Node):
            return
        version = header.get("f12")
        named = version.get("c1", "") if isinstance(version, Node) else ""
        if _VERSION.fullmatch(named) is None:
            self.issues.append(Issue("SR117", source_field="MSH-12", line=1))


def _add(node: Node, key: str, value: Node) -> int:
    """Put `value` under `key`, beside what stands there; return its index."""
    there = node.get(key)
    if there is None:
        node[key] = value
        return 0
    if isinstance(there, list):
        there.append(value)
        return len(there) - 1
    node[key] = [there, value]
    return 1


def place(steps: tuple[Step, ...], key: str | None, index: int | None) -> str:
    """Write a place as the standard's readers do: `PR1[2]-3.1`, `PID-3[2].1`, `PID-5.1.2`.

    Segment and repetition numbers count from 1; a segment is numbered from its second occurrence on, or
    where several stand, by the step's index.
    """
    words = ""
    for name, at in steps:
        number = "" if at is None else f"[{at + 1}]"
        if name[0] == "f" and name[1:].isdigit():
            words += f"-{name[1:]}{number}"
        elif not words:
            words = f"{name}{number}"
        else:
            words += f"/{name}{number}"
    if key is not None:
        component, _, subcomponent = key[1:].partition("s")
        words += f".{component}" + (f".{subcomponent}" if subcomponent else "")
    return words or "MSH"
