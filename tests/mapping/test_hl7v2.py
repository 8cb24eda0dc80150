"""HL7 v2 as a source tree."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest

from adapter.errors import AdapterError, Malformed, TooCostly, Unsupported
from adapter.fhir.budget import Budget
from adapter.mapping.nodes import leaves, watch
from adapter.mapping.readers.hl7v2 import read
from adapter.shipped import folder
from tests.shipped import maps as shipped_maps

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping.nodes import Origin

HEADER = "MSH|^~\\&|APP|FAC|||20260301120000||ADT^A03^ADT_A03|ID1|T|2.5||||||{charset}"


def message(*segments: str, charset: str = "", codec: str = "utf-8") -> bytes:
    return "\r".join([HEADER.format(charset=charset), *segments]).encode(codec)


def test_msh_counts_from_its_own_separator() -> None:
    """MSH-1 is the field separator itself, so MSH-9 is the message type. HL7 v2.5.1, 2.14.9."""
    msh = read(message()).root["MSH"]

    assert (msh["f1"]["c1"], msh["f2"]["c1"], msh["f9"], msh["f10"]["c1"]) == (
        "|", "^~\\&", {"c1": "ADT", "c2": "A03", "c3": "ADT_A03"}, "ID1",
    )  # fmt: skip


def test_repetitions_components_and_subcomponents_stand_apart() -> None:
    """A field is one node for each repetition; c1 is the first subcomponent, c1s2 the second."""
    pid = read(message("PID|||A^^^X&1.2&ISO~B||Esimerkki&von^Testi")).root["PID"]

    assert pid["f3"] == [{"c1": "A", "c4": "X", "c4s1": "X", "c4s2": "1.2", "c4s3": "ISO"}, {"c1": "B"}]
    assert pid["f5"] == {"c1": "Esimerkki", "c1s1": "Esimerkki", "c1s2": "von", "c2": "Testi"}


ESCAPES = {
    r"a\F\b\S\c\T\d\R\e\E\f": "a|b^c&d~e\\f",
    r"line\.br\next": "line\nnext",
    r"\H\bold\N\ plain": "bold plain",
    r"\X41C3A4\ ": "Aä ",
    r"\.sp2\x": "\n\nx",
    r"\.sp+ 2\x": "\n\nx",
    "\\.sp\N{SUPERSCRIPT TWO}\\x": "\nx",
    "\\.sk" + "9" * 5_000 + "\\x": " x",
    r"C:\path": "C:\\path",
    r"odd \Q99\ kept": r"odd \Q99\ kept",
}


@pytest.mark.parametrize(("sent", "meant"), ESCAPES.items())
def test_escapes_are_undone(sent: str, meant: str) -> None:
    """Escapes of HL7 v2.5.1, 2.7 become what they mean; what is none stays as it stands."""
    obx = read(message(f"OBX|1|TX|||{sent}|", charset="UNICODE UTF-8")).root["OBX"]

    assert obx["f5"]["c1"] == meant


def test_other_delimiters_are_the_message_s_own() -> None:
    """The delimiters come from MSH, and another hat is text like any other."""
    tree = read(b"MSH#!@%*#S#F#R#F#20260301##ADT!A01#M#P#2.5\rPID#1##1^2!x*y@z\r")

    assert tree.root["PID"]["f3"] == [{"c1": "1^2", "c2": "x", "c2s1": "x", "c2s2": "y"}, {"c1": "z"}]


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n"])
def test_any_line_ending_ends_a_segment(ending: str) -> None:
    """CR is the standard's, LF and CRLF are what files have."""
    tree = read(message("EVN|A03", "PID|1").replace(b"\r", ending.encode()))

    assert list(tree.root) == ["MSH", "EVN", "PID"]


CHARSETS = [
    ("8859/1", "iso8859-1"),
    ("8859/15", "iso8859-15"),
    ("UNICODE UTF-8", "utf-8"),
    ("WINDOWS-1252", "cp1252"),
]


@pytest.mark.parametrize(("name", "codec"), CHARSETS)
def test_the_declared_charset_is_honoured(name: str, codec: str) -> None:
    """A Finnish name reads right in each charset senders use, without an issue."""
    tree = read(message("PID|||||Hämäläinen^Åke", charset=name, codec=codec))

    assert (tree.root["PID"]["f5"]["c1"], tree.issues) == ("Hämäläinen", [])


BAD_CHARSETS = {
    "undeclared UTF-8": ("", "utf-8", "SR111"),
    "undeclared Latin": ("", "iso8859-1", "SR112"),
    "declared Latin, sent UTF-8": ("8859/1", "utf-8", "SR114"),
    "declared UTF-8, sent Latin": ("UNICODE UTF-8", "iso8859-1", "SR113"),
}


@pytest.mark.parametrize(("name", "codec", "code"), BAD_CHARSETS.values(), ids=BAD_CHARSETS)
def test_a_charset_that_cannot_be_right_is_an_issue(name: str, codec: str, code: str) -> None:
    """Nothing is decoded by guessing without saying so."""
    tree = read(message("PID|||||Hämäläinen^Åke", charset=name, codec=codec))

    assert code in [issue.code for issue in tree.issues]


def test_twice_encoded_letters_are_an_issue_at_their_field() -> None:
    """Mojibake that comes as valid UTF-8 is told by its look, with the field."""
    spoilt = "Hämäläinen".encode().decode("iso8859-1")
    tree = read(message(f"PID|||||{spoilt}", charset="UNICODE UTF-8"))

    assert [(issue.code, issue.source_field) for issue in tree.issues] == [("SR115", "PID-5.1")]


REFUSED = {
    "no MSH": (b"PID|1||123\r", Malformed, "SR101"),
    "nothing": (b"", Malformed, "SR101"),
    "no delimiters": (b"MSH", Malformed, "SR102"),
    "a delimiter twice": (b"MSH|^~\\\\&|A", Malformed, "SR103"),
    "second message": (message() + b"\rMSH|^~\\&|B", Malformed, "SR105"),
    "batch": (b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message(), Unsupported, "SR106"),
    "unknown charset": (message(charset="KLINGON"), Unsupported, "SR107"),
}


@pytest.mark.parametrize(("body", "kind", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_message_is_refused_with_its_place(
    body: bytes, kind: type[AdapterError], code: str
) -> None:
    """Bytes that cannot be read raise our own error, which names line or segment."""
    with pytest.raises(kind) as raised:
        read(body)

    assert (raised.value.code, raised.value.place is not None) == (code, True)


def test_a_message_beyond_its_budget_is_refused() -> None:
    """Fields are counted before anything is made of them."""
    with pytest.raises(TooCostly):
        read(message("OBX" + "|1" * 500), budget=Budget(elements=100))


def test_the_null_of_hl7_is_absent_and_remembered() -> None:
    """A field of two quotes says that there is nothing; it is no text."""
    tree = read(message('PID|||1||""^Testi'))

    assert (tree.root["PID"]["f5"], tree.nulls) == ({"c2": "Testi"}, ["PID-5.1"])


def test_a_line_that_is_no_segment_is_an_issue() -> None:
    """A raw line break inside of a field loses nothing silently."""
    tree = read(message("OBX|1|TX|||first", "second line of it"))

    assert [(issue.code, issue.line) for issue in tree.issues] == [("SR104", 3)]


def test_followers_stand_under_their_leader() -> None:
    """An observation is found at its order as well as in the message."""
    root = read(message("OBR|1", "OBX|1", "NTE|1", "OBX|2", "OBR|2", "OBX|3")).root

    assert [segment["f1"]["c1"] for segment in root["OBR"][0]["OBX"]] == ["1", "2"]
    assert root["OBR"][1]["OBX"]["f1"]["c1"] == "3"
    assert len(root["OBX"]) == 3


def test_each_person_of_a_merge_has_their_own_former_number() -> None:
    """A40 repeats PID and MRG in pairs: what follows a PID is that person's, up to the next PID."""
    root = read(message("EVN|A40", "PID|||1", "PD1|", "MRG|11", "PID|||2", "MRG|22", "PV1|1")).root
    first, second = root["PID"]

    assert (first["MRG"]["f1"]["c1"], second["MRG"]["f1"]["c1"]) == ("11", "22")
    assert second["PV1"] is root["PV1"]
    assert "EVN" not in first


def test_a_merge_of_two_persons_links_each_to_their_own_record() -> None:
    """The shipped map, on a message with PID and MRG twice: no person gets the other's former number."""
    body = (folder("fixtures") / "notification" / "merged-records.hl7").read_bytes().rstrip(b"\r\n")
    pid, mrg = (line for line in body.split(b"\r") if line.startswith((b"PID", b"MRG")))
    second = b"\r".join([body, pid.replace(b"70620", b"70621"), mrg.replace(b"70233", b"70234")])
    bundle = shipped_maps()["notification-from-v2"].run(second, media_type="application/hl7-v2").resources[0]

    people = [
        entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient"
    ]
    assert [[link["other"]["identifier"]["value"] for link in one["link"]] for one in people] == [
        ["70233"], ["70234"],
    ]  # fmt: skip


def test_a_follower_is_called_by_its_place_in_the_message() -> None:
    """A segment that also stands under a leader has one name, the one a person finds it by."""
    tree = read(message("PID|||1", "MRG|11", "OBR|1", "OBX|1", "OBR|2", "OBX|2"))
    found = [tree.place(node.steps(), key, index) for node, key, index in leaves(watch(tree.root, []))]

    assert [place for place in found if place.startswith(("MRG", "OBX"))] == [
        "MRG-1.1",
        "OBX[1]-1.1",
        "OBX[2]-1.1",
    ]


def test_places_are_in_the_words_of_the_standard() -> None:
    """A place names segment, field, repetition, component and subcomponent as far as they matter."""
    tree = read(message("PR1|1||A^B", "PR1|2||C^D~E^F&G"))
    found = [tree.place(node.steps(), key, index) for node, key, index in leaves(watch(tree.root, []))]

    assert {"PR1[1]-3.1", "PR1[2]-3[1].2", "PR1[2]-3[2].2.2", "MSH-10.1"} <= set(found)


@pytest.mark.corpus
@pytest.mark.parametrize("kind", ["hl7v2-messages", "hl7v2-edge", "hl7v2-fhir-pairs"])
def test_real_messages_give_a_tree_or_our_own_error(corpus: Path, kind: str) -> None:
    """No real message, however odd, gives anything else."""
    paths = list((corpus / kind).rglob("*.hl7"))
    assert paths
    refused = []
    for path in paths:
        try:
            assert read(path.read_bytes()).root["MSH"]
        except AdapterError as error:
            refused.append((path.name, error.code))
    assert {code for _, code in refused} <= {"SR101", "SR103"}, refused
    assert len(refused) <= 2, refused


def _is_alias(leaf: Origin) -> bool:
    """A component of several parts goes by `c1`, and its first part by `c1s1` as well."""
    node, key, _ = leaf
    return key is not None and key.endswith("s1") and key[:-2] in node


def _sent(body: bytes) -> int:
    """Count what a message says, with nothing but its own delimiters: MSH-1, MSH-2 and every subcomponent."""
    text = body.strip(b"\x0b\x1c\r\n").removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    field, signs = text[3], text[4:].split(text[3], 1)[0]
    count = 2
    for line in re.split(r"\r\n|\r|\n", text):
        if re.fullmatch(r"[A-Z][A-Z0-9]{2}", line.split(field)[0]):
            fields = line.split(field)[2 if line.startswith("MSH") else 1 :]
            parts = re.split(
                "[" + re.escape(signs[0] + signs[1] + signs[3:4]) + "]", "|".join(fields).replace(field, "|")
            )
            count += sum(bool(part) for one in parts for part in one.split("|"))
    return count


@pytest.mark.corpus
@pytest.mark.parametrize("kind", ["hl7v2-messages", "hl7v2-edge", "hl7v2-fhir-pairs"])
def test_every_value_of_a_real_message_is_one_leaf(corpus: Path, kind: str) -> None:
    """Leaves and nulls are as many as the values that splitting the bytes gives: none lost, none twice."""
    odd = []
    for path in (corpus / kind).rglob("*.hl7"):
        body = path.read_bytes()
        with contextlib.suppress(AdapterError):
            tree = read(body)
            found = sum(not _is_alias(one) for one in leaves(watch(tree.root, []))) + len(tree.nulls)
            if found != _sent(body):
                odd.append((path.name, found, _sent(body)))
    assert odd == []
