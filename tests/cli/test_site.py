"""`silta init`, `doctor` and `serve`: a new folder works at once, and a broken one says why not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from adapter.cli import site
from adapter.conformance.actors.send import Door, send, wait_for
from adapter.errors import ConfigurationError
from adapter.server.listen import bind
from adapter.shipped import folder
from tests.patience import PATIENCE

SILTA = Path(sys.executable).parent / "silta"


def silta(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SILTA, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)


def test_a_new_folder_passes_the_doctor(tmp_path: Path) -> None:
    """What `init` makes is in order as it is."""
    silta("init", tmp_path / "site")

    said = silta("doctor", "--config", tmp_path / "site" / "silta.toml", "--json")

    assert said.returncode == 0, said.stdout + said.stderr
    assert json.loads(said.stdout)["fit"] is True


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Keys and tokens are 0600 from the first moment, and the settings hold none of them."""
    site.make(tmp_path / "site")

    held = [tmp_path / "site" / "store.key", *(tmp_path / "site" / "tokens").iterdir()]

    assert {path.stat().st_mode & 0o777 for path in held} == {0o600}
    settings = (tmp_path / "site" / "silta.toml").read_text("utf-8")
    assert not [path for path in held if path.read_text("utf-8").strip() in settings]


def test_two_deployments_share_no_secret(tmp_path: Path) -> None:
    """Every folder gets keys and tokens of its own."""
    first, second = tmp_path / "a", tmp_path / "b"
    site.make(first)
    site.make(second)

    assert (first / "store.key").read_text() != (second / "store.key").read_text()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds something is left alone."""
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(ConfigurationError, match="CF122"):
        site.make(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_doctor_names_every_fault(tmp_path: Path) -> None:
    """A broken consent, agreement and table are all told at once, with exit 2."""
    settings = site.make(tmp_path / "site")
    (tmp_path / "site" / "consents" / "broken.json").write_text("{")
    (tmp_path / "site" / "agreements" / "broken.toml").write_text('hospitl = "x"')
    (tmp_path / "site" / "tables" / "v2-events.csv").write_text("trigger,meaning\nADT^A03,perhaps\n")

    said = silta("doctor", "--config", settings, "--json")

    codes = {issue["code"] for check in json.loads(said.stdout)["checks"] for issue in check["issues"]}
    assert said.returncode == 2
    assert {"CF130", "PN322"} <= codes
    assert [code for code in codes if code.startswith("PN30")]


def test_the_doctor_says_what_stands_above_what(tmp_path: Path) -> None:
    """An own table that replaces a shipped one is named, and an agreement whose purpose no role has (D20)."""
    settings = site.make(tmp_path / "site")
    [agreement, *_] = sorted((tmp_path / "site" / "agreements").glob("*.toml"))
    agreement.write_text(
        'purpose = "HMARKT"\n' + agreement.read_text("utf-8").replace("\npurpose", "\n# "), "utf-8"
    )
    (tmp_path / "site" / "tables" / "v2-events.csv").write_text("trigger,meaning,comment\nZZ9,not-ours,own\n")

    said = silta("doctor", "--config", settings, "--json")

    assert "CF143" in said.stdout
    assert "CF147" in said.stdout
    assert said.returncode == 0


def test_serve_refuses_to_start_with_every_fault_listed(tmp_path: Path) -> None:
    """Exit 2 and both faults on stderr."""
    settings = site.make(tmp_path / "site")
    text = settings.read_text("utf-8").replace('mode = "test"', "").replace('"5s"', '"soon"')
    settings.write_text(text, "utf-8")

    said = silta("serve", "--config", settings)

    assert said.returncode == 2
    assert re.findall(r"CF\d{3}", said.stderr) == ["CF105", "CF106"]


def test_serve_takes_a_message_survives_a_stop_and_knows_it_again(tmp_path: Path) -> None:
    """A message taken before SIGTERM is there after the next start: the repeat gets the stored answer."""
    with bind("127.0.0.1", 0) as free, bind("127.0.0.1", 0) as nobody:
        port, deaf = free.getsockname()[1], nobody.getsockname()[1]
    places = site.Places(listen=f"127.0.0.1:{port}", oh=f"http://127.0.0.1:{deaf}/fhir")
    settings = site.make(tmp_path / "site", places)
    token = (tmp_path / "site" / "tokens" / "tuulilahti.token").read_text("utf-8").strip()
    door = Door(address=f"http://127.0.0.1:{port}", source="ehr1", token=token)
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    answers, ends = [], []

    for _ in range(2):
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        with subprocess.Popen(
            [SILTA, "serve", "--config", settings], stderr=subprocess.PIPE, env=environment
        ) as process:
            wait_for(door, 60)
            answers.append(send(body, "x-application/hl7-v2+er7", door, request_id="same"))
            process.send_signal(signal.SIGTERM)
            ends.append(process.wait(60))
            assert process.stderr is not None
            process.stderr.read()

    assert ends == [0, 0]
    assert answers[0].status == 200
    assert answers[1] == answers[0]


def test_the_store_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """The database file is 0600 once it is there."""
    from adapter import config

    deployment = config.build(config.load(site.make(tmp_path / "site")))
    deployment.store.close()

    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "site").glob("silta.db*")} == {0o600}


@pytest.mark.parametrize("actor", ["hospital", "oh"])
def test_a_stub_does_not_start_in_production(actor: str) -> None:
    """SILTA_MODE=production is the end of any stub."""
    said = subprocess.run(
        [SILTA, "stub", actor, "--port", "0"],
        env={**os.environ, "SILTA_MODE": "production"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (said.returncode, "KT120" in said.stderr) == (2, True)


def test_a_stub_shows_and_lists_what_it_got() -> None:
    """`silta stub oh` answers a message, prints it, and keeps it at GET /inbox."""
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    body = (folder("fixtures") / "notification" / "gallbladder.fhir.json").read_bytes()
    with subprocess.Popen(
        [SILTA, "stub", "oh", "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        door = Door(address=address, source=None)
        wait_for(door, 60)
        answered = send(body, "application/fhir+json", door, request_id="x")
        inbox = httpx.get(f"{address}/inbox", trust_env=False, timeout=PATIENCE).json()
        process.send_signal(signal.SIGTERM)
        printed = process.communicate(timeout=60)[0].decode()

    assert (answered.status, inbox["count"], process.returncode) == (200, 1, 0)
    assert "got procedure-notification" in printed
    assert not re.search(r"(?<![\w-])\d{6}[-A]9\d{2}[0-9A-Y]", printed)
