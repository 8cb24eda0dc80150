"""For any input: a result or our own error, and what was written reads the same."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.errors import ContentError, Malformed
from adapter.fhir import decode, encode, json, locate
from tests.fhir.generated import resource, told

MEDIA_TYPES = ("application/fhir+json", "application/fhir+xml")
QUIET: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
SEEDS = st.integers(min_value=0, max_value=2**32)
PATHS = ("Patient.name[0].given", "Bundle.entry[1].resource", "Observation.value.extension[0].value", "x", "")


def randomness(seed: int) -> Random:
    """Return the generator for one example; hypothesis chooses the seed."""
    return Random(seed)  # noqa: S311 - no secret


def assert_it_survives(seed: int) -> None:
    """Write a generated resource in both formats, compact and indented, and read it back."""
    made = resource(randomness(seed))
    expected = told(made)
    for media_type in MEDIA_TYPES:
        for pretty in (False, True):
            body = encode(made, media_type, pretty=pretty)
            assert told(decode(body, media_type)) == expected


def mangled(seed: int) -> tuple[bytes, str]:
    """Damage a generated document in one to four places."""
    random = randomness(seed)
    media_type = random.choice(MEDIA_TYPES)
    body = bytearray(encode(resource(random, depth=1), media_type))
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(body) + 1)
        end = min(len(body), start + random.choice((0, 1, 1, 5, 50)))
        body[start:end] = random.choice(SPLINTERS) if random.random() < 0.7 else random.randbytes(3)
    return bytes(body), media_type


SPLINTERS = (
    b"",
    b"{",
    b"}",
    b"[",
    b"]]",
    b'"',
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\u0000",
    b",",
    b":",
    b"null",
    b"NaN",
    b"1e999",
    b"-",
    b"<",
    b">",
    b"</a>",
    b"<a/>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE a>",
    b"<?a b?>",
    b"&amp;",
    b"&x;",
    b'xmlns="http://x"',
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r\n",
)


def assert_it_ends_well(body: bytes, media_type: str, path: str) -> None:
    """Read, write again, and locate: each gives a result or our own error."""
    with suppress(ContentError):
        encode(decode(body, media_type, found=[]), media_type)
    line, column = locate(body, media_type, path)
    assert line > 0
    assert column > 0


@settings(max_examples=500, **QUIET)
@given(seed=SEEDS)
def test_what_is_written_reads_the_same(seed):
    """decode(encode(r)) is r, to the last digit, in both formats."""
    assert_it_survives(seed)


@settings(max_examples=500, **QUIET)
@given(seed=SEEDS)
def test_a_damaged_document_gives_a_result_or_our_error(seed):
    """No damage makes the codec end in another way than it says."""
    body, media_type = mangled(seed)
    assert_it_ends_well(body, media_type, PATHS[seed % len(PATHS)])


@settings(max_examples=500, **QUIET)
@given(body=st.binary(max_size=200), media_type=st.sampled_from(MEDIA_TYPES), path=st.text(max_size=30))
def test_any_bytes_give_a_result_or_our_error(body, media_type, path):
    """Bytes that never were a document do no harm either."""
    assert_it_ends_well(body, media_type, path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inside: (
        st.lists(inside) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inside)
    ),
    max_leaves=20,
)


@settings(max_examples=300, **QUIET)
@given(value=JSON_VALUES)
def test_any_json_value_survives_but_for_nul(value):
    """The reader takes every value JSON can say, except text with NUL."""
    body = json.write(value)
    if b"\\u0000" in body:
        with suppress(Malformed):
            assert json.read(body) == value
    else:
        assert json.read(body) == value


@pytest.mark.long
@settings(max_examples=100_000, **QUIET)
@given(seed=SEEDS)
def test_a_hundred_thousand_resources_read_the_same(seed):
    """The same property, at length."""
    assert_it_survives(seed)


@pytest.mark.long
@settings(max_examples=100_000, **QUIET)
@given(seed=SEEDS)
def test_a_hundred_thousand_damaged_documents_end_well(seed):
    """The same property, at length."""
    body, media_type = mangled(seed)
    assert_it_ends_well(body, media_type, PATHS[seed % len(PATHS)])
