"""`silta convert` and `silta package show`, as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

XML = b'<Patient xmlns="http://hl7.org/fhir"><birthDate value="1970"/><active value="true"/></Patient>'
OBSERVATION = b'{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.50}}'


def silta(*arguments: object, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from adapter.cli import main; raise SystemExit(main())",
            *map(str, arguments),
        ],
        input=body,
        capture_output=True,
        check=False,
    )


def test_json_becomes_xml():
    """Data comes on stdout, numbers with their text."""
    done = silta("convert", "-", "--to", "xml", "--compact", body=OBSERVATION)
    assert (done.returncode, done.stderr, b'<value value="1.50"/>' in done.stdout) == (0, b"", True)


def test_there_and_back_is_the_same(tmp_path: Path):
    """What one call writes, the next reads."""
    file = tmp_path / "o.xml"
    file.write_bytes(silta("convert", "-", "--to", "xml", body=OBSERVATION).stdout)
    assert silta("convert", file, "--to", "json", "--compact").stdout == OBSERVATION + b"\n"


def test_json_option_gives_one_document():
    """`--json` wraps the text for programs."""
    done = silta("convert", "-", "--to", "xml", "--json", body=OBSERVATION)
    said = json.loads(done.stdout)
    assert (said["format"], "<Observation" in said["document"]) == ("xml", True)


def test_a_warning_is_said_and_the_resource_written():
    """An order that is wrong loses nothing."""
    done = silta("convert", "-", "--to", "json", body=XML)
    assert (done.returncode, b"FH208" in done.stderr, json.loads(done.stdout)["active"]) == (0, True, True)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"resourceType":"Patient",}', b"FH102"),
        (b'{"resourceType":"Patient","nope":1}', b"FH205"),
        (b'<Patient xmlns="http://hl7.org/fhir"><nope/></Patient>', b"FH205"),
        (b"<!DOCTYPE a><a/>", b"FH201"),
        (b"", b"FH100"),
    ],
)
def test_bad_content_ends_with_findings(body, code):
    """Exit code 1, the code and what to do on stderr, nothing on stdout."""
    done = silta("convert", "-", "--to", "xml", body=body)
    assert (done.returncode, done.stdout, code in done.stderr, b"help:" in done.stderr) == (
        1,
        b"",
        True,
        True,
    )


def test_a_missing_file_is_a_usage_error():
    """Exit code 2."""
    codes = [silta("convert", "none", "--to", "xml").returncode, silta("package", "show", "none").returncode]
    assert codes == [2, 2]


def test_a_package_is_shown(tmp_path: Path):
    """Name, counts and, when asked, every canonical."""
    (tmp_path / "a.json").write_text('{"resourceType":"ValueSet","url":"http://x/a","version":"1"}')
    done = silta("package", "show", tmp_path, "--resources")
    assert (done.returncode, b"1  ValueSet" in done.stdout, b"http://x/a|1" in done.stdout) == (0, True, True)


def test_a_package_is_shown_to_programs(tmp_path: Path):
    """One JSON document, warnings in it."""
    (tmp_path / "package.json").write_text('{"name":"p","version":"1","dependencies":{"q":"2"}}')
    said = json.loads(silta("package", "show", tmp_path, "--json").stdout)
    assert (said["name"], [issue["code"] for issue in said["issues"]]) == ("p", ["FH305"])


def test_an_unreadable_package_ends_with_findings(tmp_path: Path):
    """Exit code 1, like any content that cannot be read."""
    file = tmp_path / "x.tgz"
    file.write_bytes(b"nothing")
    done = silta("package", "show", file)
    assert (done.returncode, b"FH300" in done.stderr) == (1, True)
