"""One TOML file becomes settings, or every fault of it is named."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adapter import config
from adapter.errors import ConfigurationError
from adapter.relay.message import Level, Mode
from adapter.server.access import hash_line

if TYPE_CHECKING:
    from pathlib import Path

HOSPITAL = "urn:uuid:dee15f3a-0000-4000-8000-000000000001"
PROVIDER = "urn:uuid:dee15f3a-0000-4000-8000-000000000002"

WHOLE = f"""
mode = "test"
[server]
listen = "127.0.0.1:9090"
body_limit = "2 MB"
[store]
url = "sqlite:///data.db"
key_file = "store.key"
[[organisation]]
id = "{HOSPITAL}"
name = "Hospital"
token_file = "hospital.sha256"
[[operator]]
name = "Aino"
token_file = "aino.sha256"
[[source]]
name = "ehr1"
organisation = "{HOSPITAL}"
format = "hl7v2"
[[partner]]
organisation = "{PROVIDER}"
endpoint = "http://127.0.0.1:8082/fhir"
level = "clinical"
token_file = "oh.token"
[retry]
first = "2s"
longest = "1min"
[directory]
address = "https://directory.example/fhir/"
every = "5min"
"""


READS_HERE = WHOLE.replace('"http://127.0.0.1:8082/fhir"', '"reply-form"').replace(
    'token_file = "oh.token"\n', ""
)
MAIJA = f"""
[[user]]
sign_in = "maija"
name = "Maija Esimerkki"
organisation = "{PROVIDER}"
password_file = "maija.scrypt"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the secrets and folders that the settings name."""
    for name in ("partners", "consents", "agreements", "maps", "tables"):
        (tmp_path / name).mkdir()
    for name, text in {
        "store.key": "ab" * 32,
        "hospital.sha256": hash_line("hospital-token") + "  # since March\n",
        "aino.sha256": hash_line("aino-token"),
        "oh.token": "secret-of-oh\n",
        "maija.scrypt": f"scrypt:15:8:3:{'A' * 22}==:{'A' * 43}=\n",
    }.items():
        path = tmp_path / name
        path.write_text(text, "utf-8")
        path.chmod(0o600)
    return tmp_path


def written(site: Path, text: str) -> Path:
    path = site / "silta.toml"
    path.write_text(text, "utf-8")
    return path


def faults(site: Path, text: str) -> list[tuple[str, str | None]]:
    with pytest.raises(ConfigurationError) as caught:
        config.load(written(site, text))
    return [(issue.code, issue.at) for issue in caught.value.issues]


def test_a_whole_file_becomes_settings(site: Path) -> None:
    """What the file says stands in the settings, paths relative to the file, secrets read."""
    settings = config.load(written(site, WHOLE))

    assert settings.mode is Mode.TEST
    assert settings.listen == ("127.0.0.1", 9090)
    assert settings.address == "http://127.0.0.1:9090/fhir"
    assert settings.budget.bytes == 2_000_000
    assert settings.store_file == site / "data.db"
    assert settings.key == bytes.fromhex("ab" * 32)
    assert settings.schedule.first == timedelta(seconds=2)
    assert settings.directory_feed is not None
    assert (settings.directory_feed.address, settings.directory_feed.every) == (
        "https://directory.example/fhir",
        timedelta(minutes=5),
    )
    assert settings.partners[0].level is Level.CLINICAL
    assert settings.partners[0].token == "secret-of-oh"
    assert {credential.caller.name for credential in settings.credentials} == {HOSPITAL, "Aino"}
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("text", "kept"),
    [("", timedelta(days=90)), ('parked = "10d"\ndelivered = "20d"', timedelta(days=20))],
    ids=["as it comes", "shorter"],
)
def test_answers_are_promised_for_as_long_as_content_is_kept(site: Path, text: str, kept: timedelta) -> None:
    """What `reliableCache` says comes from the retention."""
    assert config.load(written(site, f"{WHOLE}\n[retention]\n{text}\n")).remembers == kept


def test_a_webhook_has_its_keys_from_a_file(site: Path) -> None:
    """The newest first, and never in the settings file itself."""
    keys = [b"n" * 32, b"o" * 24]
    lines = [f"whsec_{base64.b64encode(each).decode()}" for each in keys]
    (site / "hook.key").write_text("\n".join(lines), "utf-8")
    (site / "hook.key").chmod(0o600)
    more = 'profile = "webhook"\nresend = "manual"\nsigning_key_file = "hook.key"'

    [partner] = config.load(written(site, WHOLE.replace('level = "clinical"', more))).partners

    assert partner.signing_keys == tuple(keys)
    assert (partner.profile, partner.resend, partner.acknowledges) == ("webhook", "manual", False)


def test_a_partner_whose_people_read_here_has_its_address_and_people(site: Path) -> None:
    """The form stands beside the FHIR doors; a person reads the partner's language unless told otherwise."""
    text = READS_HERE.replace(
        "[store]",
        """address = "https://silta.example:8443/base/fhir"
[alarm]
mail_server = "localhost:25"
mail_from = "silta@hospital.example"
mail_to = ["duty@hospital.example"]
[store]""",
    ).replace('"reply-form"', '"reply-form"\nlanguage = "sv"\nnotice_to = ["oh@provider.example"]')
    settings = config.load(written(site, text + MAIJA))

    [partner], [user] = settings.partners, settings.users
    told = settings.notices[PROVIDER].mailbox
    assert (partner.reads_here, partner.endpoint) == (True, "https://silta.example:8443/reply")
    assert (user.actor, user.language, user.organisation) == ("user/maija", "sv", PROVIDER)
    assert told is not None
    assert told.to == ("oh@provider.example",)


CASES = {
    "no mode": (WHOLE.replace('mode = "test"', ""), ("CF105", "mode")),
    "unknown key at the top": (f"made = 1\n{WHOLE}", ("CF103", "made")),
    "unknown key in a section": (
        WHOLE.replace("listen =", "port = 1\nlisten ="),
        ("CF104", "server.port"),
    ),
    "nearest key in a list": (
        WHOLE.replace('level = "clinical"', 'levels = "clinical"'),
        ("CF103", "partner[1].levels"),
    ),
    "a level that is none": (WHOLE.replace('"clinical"', '"everything"'), ("CF106", "partner[1].level")),
    "a time without a unit": (WHOLE.replace('"2s"', '"2"'), ("CF106", "retry.first")),
    "an id that is none": (
        WHOLE.replace(f'organisation = "{PROVIDER}"', 'organisation = "the clinic"'),
        ("CF106", "partner[1].organisation"),
    ),
    "an endpoint with a user": (
        WHOLE.replace("http://127", "http://me@127"),
        ("CF106", "partner[1].endpoint"),
    ),
    "a source of nobody": (
        WHOLE.replace(f'organisation = "{HOSPITAL}"', f'organisation = "{PROVIDER}"'),
        ("CF114", "source[1].organisation"),
    ),
    "a partner of the other world": (
        WHOLE.replace('level = "clinical"', 'mode = "production"'),
        ("CF118", "partner[1].mode"),
    ),
    "production without TLS": (
        WHOLE.replace('mode = "test"', 'mode = "production"'),
        ("CF117", "partner[1].endpoint"),
    ),
    "waits in the wrong order": (WHOLE.replace('"1min"', '"1s"'), ("CF115", "retry.first")),
    "a token file that is not there": (
        WHOLE.replace("hospital.sha256", "gone"),
        ("CF110", "organisation[1].token_file"),
    ),
    "a token itself in the place of its hash": (
        WHOLE.replace("hospital.sha256", "oh.token"),
        ("CF112", "organisation[1].token_file"),
    ),
    "a variable that is not set": (
        WHOLE.replace('token_file = "oh.token"', 'token_env = "SILTA_TEST_UNSET"'),
        ("CF121", "partner[1].token_env"),
    ),
    "file and variable": (
        WHOLE.replace('token_file = "oh.token"', 'token_file = "oh.token"\ntoken_env = "X"'),
        ("CF116", "partner[1].token_file"),
    ),
    "no key of the store": (WHOLE.replace('key_file = "store.key"', ""), ("CF105", "store.key_file")),
    "a short key": (WHOLE.replace("store.key", "oh.token"), ("CF119", "store.key_file")),
    "a folder that is not there": (WHOLE + '[folders]\nmaps = "nowhere"\n', ("CF120", "folders.maps")),
    "a section where a list belongs": ('mode = "test"\n[source]\nname = "x"\n', ("CF106", "source")),
    "MLLP for a source that is not there": (
        f'{WHOLE}\n[[mllp]]\nlisten = "127.0.0.1:2575"\nsource = "ehr2"\n',
        ("CF123", "mllp[1].source"),
    ),
    "MLLP in clear beyond this machine in production": (
        WHOLE.replace('mode = "test"', 'mode = "production"')
        + '\n[[mllp]]\nlisten = "0.0.0.0:2575"\nsource = "ehr1"\n',
        ("CF124", "mllp[1].certificate_file"),
    ),
    "a certificate that is not there": (
        f'{WHOLE}\n[[mllp]]\nlisten = "127.0.0.1:2575"\nsource = "ehr1"\ncertificate_file = "gone.pem"\n',
        ("CF125", "mllp[1].certificate_file"),
    ),
    "networks that are none": (
        f'{WHOLE}\n[[mllp]]\nlisten = "127.0.0.1:2575"\nsource = "ehr1"\nallow = ["everybody"]\n',
        ("CF106", "mllp[1].allow"),
    ),
    "a webhook without a key": (
        WHOLE.replace('level = "clinical"', 'profile = "webhook"'),
        ("CF105", "partner[1].signing_key_file"),
    ),
    "a webhook with a key that is none": (
        WHOLE.replace('level = "clinical"', 'profile = "webhook"\nsigning_key_file = "oh.token"'),
        ("CF156", "partner[1].signing_key_file"),
    ),
    "a profile for another form": (
        WHOLE.replace('level = "clinical"', 'profile = "medcom"\nform = "cda"'),
        ("CF155", "partner[1].profile"),
    ),
    "a later answer of what acknowledges nothing": (
        WHOLE.replace('level = "clinical"', 'form = "cda"\nasync = true'),
        ("CF157", "partner[1].async"),
    ),
    "a user of nobody who reads here": (
        WHOLE + MAIJA,
        ("CF162", "user[1].organisation"),
    ),
    "nobody who could read": (READS_HERE, ("CF163", "partner[1].endpoint")),
    "a password in the place of its line": (
        READS_HERE + MAIJA.replace("maija.scrypt", "oh.token"),
        ("CF164", "user[1].password_file"),
    ),
    "a user name with a blank": (
        READS_HERE + MAIJA.replace('"maija"', '"Maija M"'),
        ("CF106", "user[1].sign_in"),
    ),
    "one user name twice": (READS_HERE + MAIJA + MAIJA, ("CF113", "user[2].sign_in")),
    "a form of writing where people read": (
        READS_HERE.replace('"reply-form"', '"reply-form"\nform = "cda"') + MAIJA,
        ("CF160", "partner[1].form"),
    ),
    "no acknowledgement where people read": (
        READS_HERE.replace('"reply-form"', '"reply-form"\nacknowledgement = "none"') + MAIJA,
        ("CF160", "partner[1].acknowledgement"),
    ),
    "people who read in clear in production": (
        READS_HERE.replace('mode = "test"', 'mode = "production"') + MAIJA,
        ("CF161", "partner[1].endpoint"),
    ),
    "notices without a mail server": (
        READS_HERE.replace('"reply-form"', '"reply-form"\nnotice_to = ["a@b.example"]') + MAIJA,
        ("CF165", "partner[1].notice_to"),
    ),
    "a notice to no address": (
        READS_HERE.replace('"reply-form"', '"reply-form"\nnotice_to = ["a@b.example, c@d"]') + MAIJA,
        ("CF106", "partner[1].notice_to"),
    ),
    "one source twice": (
        f'{WHOLE}\n[[source]]\nname = "ehr1"\norganisation = "{HOSPITAL}"\nformat = "cda"\n',
        ("CF113", "source[2].name"),
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_by_code_and_key(site: Path, text: str, expected: tuple[str, str]) -> None:
    """Each fault of a settings file has its code and the key it stands at."""
    assert expected in faults(site, text)


def test_all_faults_come_at_once(site: Path) -> None:
    """Three faults in three sections are three findings of one complaint."""
    text = WHOLE.replace('"2s"', '"soon"').replace('"clinical"', '"all"').replace('"hl7v2"', '"fax"')

    assert {code for code, _at in faults(site, text)} == {"CF106"}
    assert len(faults(site, text)) == 3


def test_the_nearest_key_is_proposed(site: Path) -> None:
    """An unknown key is answered with the known one that was probably meant, and its line."""
    with pytest.raises(ConfigurationError) as caught:
        config.load(written(site, WHOLE.replace("endpoint =", "endpont =")))

    unknown = next(issue for issue in caught.value.issues if issue.code == "CF103")
    assert unknown.params["near"] == "endpoint"
    assert unknown.line == WHOLE.splitlines().index('endpoint = "http://127.0.0.1:8082/fhir"') + 1


def test_a_file_that_is_not_toml_names_the_line(site: Path) -> None:
    """A syntax error is told with line and column."""
    with pytest.raises(ConfigurationError) as caught:
        config.load(written(site, 'mode = "test"\nlisten\n'))

    assert (caught.value.code, caught.value.issue.line) == ("CF102", 2)


def test_a_secret_others_can_read_is_said_in_test_mode(site: Path) -> None:
    """In a test deployment a loose file mode is a warning."""
    (site / "store.key").chmod(0o644)

    settings = config.load(written(site, WHOLE))

    assert [(issue.code, issue.severity) for issue in settings.warnings] == [("CF111", "warning")]


def test_a_secret_others_can_read_stops_production(site: Path) -> None:
    """In production a loose file mode is a fault."""
    (site / "store.key").chmod(0o644)
    text = WHOLE.replace('mode = "test"', 'mode = "production"').replace("http://127", "https://127")

    assert faults(site, text) == [("CF111", "store.key_file")]


def test_secrets_do_not_show(site: Path) -> None:
    """Settings can be printed without giving a secret away."""
    shown = repr(config.load(written(site, WHOLE)))

    assert "secret-of-oh" not in shown
    assert "abab" not in shown
