"""`silta report` reads files, folders and lines, and tells a table in three forms and languages."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.cli import main, site
from adapter.config import load
from adapter.relay.clock import SystemClock
from adapter.relay.store import Store
from tests.relay.world import intake
from tests.statistics.clients import ETELA_POHJANMAA, clients
from tests.statistics.test_return_to_work import notification

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = {"en": "Persons", "fi": "Henkilöitä", "sv": "Personer"}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the messages of 164 invented clients, one a line, and a file that is no FHIR."""
    folder = tmp_path_factory.mktemp("export")
    lines = [json.dumps(one, ensure_ascii=False) for one in clients(ETELA_POHJANMAA)]
    (folder / "messages.ndjson").write_text("\n".join(lines), "utf-8")
    (folder / "settings.json").write_text("{}")
    (folder / "silta.toml").write_text("")
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["report", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_is_told_in_three_languages(export: Path, language: str, capsys):
    """A line is named in the language asked for, and what the marks mean is said."""
    code, out, err = told(capsys, "toike", export, "--lang", language)

    first = next(line for line in out.splitlines() if line.startswith(LANGUAGES[language]))
    assert (code, first.split()[-1], err) == (0, "164", "")


def test_csv_is_for_a_spreadsheet(export: Path, capsys):
    """One row a line: code, text, unit, then the columns."""
    rows = list(csv.DictReader(io.StringIO(told(capsys, "toike", export, "--format", "csv")[1], newline="")))

    assert rows[0] == {"code": "persons", "text": "Persons", "unit": "1", "Etelä-Pohjanmaa": "164"}


def test_fhir_is_a_measure_report(export: Path, capsys):
    """`--format fhir` prints the MeasureReport, its lines named in the language asked for."""
    found = json.loads(told(capsys, "toike", export, "--format", "fhir", "--lang", "sv")[1])

    assert (found["resourceType"], found["group"][0]["code"]["text"]) == ("MeasureReport", "Personer")


def test_json_is_one_document(export: Path, capsys):
    """`--json` says of every figure whether it is shown."""
    found: dict[str, Any] = json.loads(told(capsys, "toike", export, "--json")[1])

    assert found["lines"][0]["figures"] == {"Etelä-Pohjanmaa": {"state": "shown", "value": 164}}


def test_a_table_of_regions_is_followed(export: Path, tmp_path: Path, capsys):
    """`--regions` says where an organisation belongs."""
    table = tmp_path / "regions.csv"
    table.write_text("organisation,region\nToimintakykykeskus Etelä-Pohjanmaa,Pohjoinen\n", "utf-8")

    assert json.loads(told(capsys, "toike", export, "--regions", table, "--json")[1])["columns"] == [
        "Pohjoinen"
    ]


def test_what_cannot_be_read_is_said(export: Path, tmp_path: Path, capsys):
    """A broken line is left out by file and line, the rest is told, and the exit code says so."""
    broken = tmp_path / "broken.ndjson"
    broken.write_text('{"resourceType": "Bundle"\n{"resourceType": "Patient", "identifier": 1}\n')

    code, out, err = told(capsys, "toike", export, broken)

    assert (code, "164" in out) == (1, True)
    assert [line.split(":")[1] for line in err.splitlines() if line.startswith("RP103")] == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        (["toike", "nowhere"], "RP101"),
        (["toike", "EXPORT", "--regions", "nowhere.csv"], "RP101"),
        (["toike", "EXPORT", "--regions", "EXPORT/settings.json"], "RP102"),
        (["toike", "EXPORT", "--smallest", "2"], "RP106"),
        (["toike", "EXPORT/silta.toml"], "RP107"),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(given),
)
def test_what_cannot_be_done_is_named(arguments: list[str], finding: str, export: Path, capsys):
    """A source or table that is not there, a table without its columns, a limit too low."""
    code, out, err = told(capsys, *(one.replace("EXPORT", str(export)) for one in arguments))

    assert (code, out, finding in err) == (2, "", True)


def test_nothing_about_the_report_is_said(tmp_path: Path, capsys):
    """An empty folder makes an empty table and a word about it."""
    code, _, err = told(capsys, "return-to-work", tmp_path)

    assert (code, err.startswith("RP105")) == (0, True)


def test_no_person_is_in_any_output(export: Path, capsys):
    """No number of a client, no day of an assessment and no birth date is told in any form."""
    said = "".join(
        told(capsys, "toike", export, *form)[1] for form in ((), ("--json",), ("--format", "fhir"))
    )

    assert not [one for one in ("Etelä-Pohjanmaa-1", "2018-06", "1970-01-01") if one in said]


def test_a_deployment_is_read_from_its_store(tmp_path: Path, capsys):
    """The messages a deployment took in are counted, and the audit says that somebody asked, and why."""
    place = site.make(tmp_path / "site")
    settings = load(place)
    with Store.open(settings.store_url, key=settings.key, clock=SystemClock()) as store:
        for number in range(1, 7):
            store.commit_intake(intake(number, (), content=json.dumps(notification(str(number))).encode()))

    code, out, _ = told(capsys, "return-to-work", place, "--reason", "vuosiraportti", "--json")

    with Store.open(settings.store_url, key=settings.key, clock=SystemClock()) as store:
        last = store.audit_rows(object="report/return-to-work")[-1]
    assert (code, json.loads(out)["lines"][0]["figures"]["NG"]["value"]) == (0, 6)
    assert (last.action, last.reason) == ("report", "vuosiraportti")
