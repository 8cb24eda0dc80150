"""The settings file as a table: every section and key, what a value becomes, and what stands without it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from adapter.relay.directory import key_of
from adapter.relay.message import Level, Mode
from adapter.relay.reliability import PROFILES
from adapter.server.access import RIGHTS
from adapter.server.scope import Scopes, is_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter.server.certificate import Network


class Wrong(ValueError):
    """A value is not what its key takes; the text says what it takes."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section: what its value becomes, and what stands if it is absent."""

    read: Callable[[Any], Any]
    default: Any = None
    is_required: bool = False
    note: str = ""
    """One line of explanation, for the reference page."""


def _text(value: Any) -> str:  # noqa: ANN401  (any TOML value)
    if not isinstance(value, str) or not value.strip():
        raise Wrong("a text")
    return value.strip()


def _truth(value: Any) -> bool:  # noqa: ANN401  (any TOML value)
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:  # noqa: ANN401  (any TOML value)
        if value not in choices:
            raise Wrong("one of " + ", ".join(choices))
        return str(value)

    return read


_DURATION = re.compile(r"(\d{1,6})(ms|s|min|h|d)", re.ASCII)
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def _duration(value: Any) -> timedelta:  # noqa: ANN401  (any TOML value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise Wrong('a time like "5s", "10min", "6h" or "5d"')
    return int(match[1]) * _UNITS[match[2]]


_SIZE = re.compile(r"(\d{1,6}) ?(kB|MB)", re.ASCII)


def _size(value: Any) -> int:  # noqa: ANN401  (any TOML value)
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise Wrong('a size like "10 MB"')
    return int(match[1]) * (1_000 if match[2] == "kB" else 1_000_000)


def _number(most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:  # noqa: ANN401  (any TOML value)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise Wrong(f"a number, 1 to {most}")
        return value

    return read


def _days(value: Any) -> int:  # noqa: ANN401  (any TOML value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 90:
        raise Wrong("a number of working days, 1 to 90")
    return value


def _listen(value: Any) -> tuple[str, int]:  # noqa: ANN401  (any TOML value)
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Wrong('an address like "127.0.0.1:8080"')
    return host.strip("[]"), int(port)


def _web_address(value: Any) -> str:  # noqa: ANN401  (any TOML value)
    text = _text(value)
    if not re.fullmatch(r"https?://[^\s/@?#]+(?:/[^\s?#]*)?", text):
        raise Wrong("an http or https address without user, query or fragment")
    return text.rstrip("/")


REPLY_FORM = "reply-form"
"""Endpoint of a partner whose people read and answer here."""


def _endpoint(value: Any) -> str:  # noqa: ANN401  (any TOML value)
    """Read where a partner receives: over HTTP, over MLLP, in a folder, or on the reply form."""
    text = _text(value)
    if text == REPLY_FORM:
        return text
    if re.fullmatch(r"mllps?://(?:[^\s/@?#:\[\]]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}|file:///[^?#]+", text):
        return text
    if text.partition(":")[0] in ("mllp", "mllps", "file"):
        raise Wrong("mllp://HOST:PORT, mllps://HOST:PORT or file:///FOLDER")
    return _web_address(value)


def _zone(value: Any) -> ZoneInfo:  # noqa: ANN401  (any TOML value)
    try:
        return ZoneInfo(_text(value))
    except (KeyError, ValueError, OSError):
        raise Wrong('a time zone like "Europe/Helsinki"') from None


def _organisation_key(value: Any) -> str:  # noqa: ANN401  (any TOML value)
    """Read an organisation's id: a URN, a bare OID, or `system|value`."""
    system, bar, text = _text(value).rpartition("|")
    key = key_of({"value": text, "system": system} if bar else {"value": text})
    if key is None or (not bar and not key.startswith("urn:")):
        raise Wrong("an organisation id: urn:oid:..., urn:uuid:... or system|value")
    return key


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401  (any TOML value)
    if not isinstance(value, list):
        raise Wrong("a list of texts")
    return tuple(_text(one) for one in value)


def _roles(value: Any) -> tuple[str, ...]:  # noqa: ANN401  (any TOML value)
    if not isinstance(value, list) or not value or not all(one in RIGHTS for one in value):
        raise Wrong("a list of roles: " + ", ".join(RIGHTS))
    return tuple(value)


def _user_name(value: Any) -> str:  # noqa: ANN401  (any TOML value)
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9._@-]{1,63}", value):
        raise Wrong("a user name of 2 to 64 small letters, digits and . _ @ -")
    return value


def _addresses(value: Any) -> tuple[str, ...]:  # noqa: ANN401  (any TOML value)
    found = _texts(value)
    if not all(re.fullmatch(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+", one) for one in found):
        raise Wrong('a list of e-mail addresses like "duty@provider.example"')
    return found


def _header(value: Any) -> str:  # noqa: ANN401  (any TOML value)
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
        raise Wrong("the name of a header")
    return value.lower()


def _thumbprints(value: Any) -> tuple[str, ...]:  # noqa: ANN401  (any TOML value)
    said = [one.lower().removeprefix("sha256:").replace(":", "") for one in _texts(value)]
    if not all(re.fullmatch(r"[0-9a-f]{64}", one) for one in said):
        raise Wrong('a list of SHA-256 thumbprints like "sha256:..." with 64 hex digits')
    return tuple(said)


def _scopes(value: Any) -> Scopes:  # noqa: ANN401  (any TOML value)
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(one, str) and is_scope(one) for one in value)
    ):
        raise Wrong('a list of scopes like "system/Bundle.c" or "system/Consent.cru"')
    return Scopes.read(value)


LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def is_loopback(host: str) -> bool:
    """Return True if a listener's host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _networks(value: Any) -> tuple[Network, ...]:  # noqa: ANN401  (any TOML value)
    try:
        return tuple(ip_network(one) for one in _texts(value))
    except ValueError:
        raise Wrong('a list of networks like "10.1.0.0/16"') from None


_TOKEN_FILE = Key(_text, note="file with the secret; a line each")
_TOKEN_ENV = Key(_text, note="name of the environment variable that holds it instead")

TOP: Mapping[str, Key] = {
    "mode": Key(_one_of(*Mode), is_required=True, note="test or production: walled off from each other"),
    "name": Key(_text, "Silta", note="what this adapter calls itself in messages"),
    "zone": Key(_zone, ZoneInfo("Europe/Helsinki"), note="zone of days and of times that carry none"),
    "packages": Key(_texts, (), note="FHIR packages (.tgz) to validate with, beside the shipped profiles"),
}

SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "server": {
        "listen": Key(_listen, ("127.0.0.1", 8080), note="host and port"),
        "address": Key(_web_address, note="base under which partners reach the FHIR doors"),
        "body_limit": Key(_size, 10_000_000, note="largest body a door takes"),
        "read_within": Key(
            _duration, timedelta(seconds=2), note="processor time that reading one message may take"
        ),
        "oldest": Key(
            _duration, timedelta(days=90), note="in production: a message sent longer ago is not taken"
        ),
        "proxies": Key(
            _networks, (), note="networks of the reverse proxies whose certificate header is true"
        ),
        "certificate_header": Key(_header, "client-cert", note="where they say a caller's certificate"),
    },
    "store": {
        "url": Key(_text, "sqlite:///silta.db", note="sqlite:///FILE, beside this file, or postgresql://…"),
        "key_file": Key(_text, note="file with the 32-byte master key in hex; 0600"),
        "key_env": Key(_text, note="name of the environment variable that holds it instead"),
        "node": Key(_text, "silta", note="name of this process in the audit"),
        "backups": Key(_text, "backups", note="folder that `silta backup` writes copies of a file to"),
    },
    "folders": {
        "directory": Key(_text, "partners", note="Organization and OrganizationAffiliation resources"),
        "consents": Key(_text, "consents", note="Consent resources"),
        "agreements": Key(_text, "agreements", note="one TOML file per pair of hospital and provider"),
        "maps": Key(_text, "maps", note="own mappings; they stand above the shipped ones"),
        "tables": Key(_text, "tables", note="own v2-events.csv and disclosure-rules.csv"),
    },
    "directory": {
        "address": Key(
            _web_address, note="base of another FHIR server whose directory is kept beside the files"
        ),
        "every": Key(_duration, timedelta(minutes=15), note="how often it is asked what has changed"),
        "whole_every": Key(_duration, timedelta(hours=24), note="how often it is asked for everything"),
        "stale_after": Key(
            _duration, timedelta(hours=48), note="unheard for so long, nothing is routed by it"
        ),
        "token_file": Key(_text, note="bearer token we show it; 0600"),
        "token_env": _TOKEN_ENV,
    },
    "retry": {
        "first": Key(_duration, timedelta(seconds=5), note="wait before the second attempt"),
        "longest": Key(_duration, timedelta(hours=6), note="no wait is longer"),
        "give_up": Key(_duration, timedelta(days=5), note="after this the delivery is parked"),
        "expire": Key(_duration, timedelta(days=30), note="after this an unsent copy is closed"),
    },
    "replay": {
        "most": Key(_number(2000), 500, note="copies that may be sent again together"),
        "per_minute": Key(_number(600), 60, note="how many of them in a minute"),
    },
    "alarm": {
        "webhook": Key(_web_address, note="address that is POSTed each alarm as JSON"),
        "token_file": Key(_text, note="bearer token we show it; 0600"),
        "token_env": _TOKEN_ENV,
        "mail_server": Key(_listen, note="host and port of a mail server; beyond this machine by STARTTLS"),
        "mail_from": Key(_text, note="sender of the e-mails"),
        "mail_to": Key(_texts, (), note="who is written to"),
        "mail_user": Key(_text, note="who we are to the mail server"),
        "mail_password_file": Key(_text, note="our password there; 0600"),
        "mail_password_env": Key(_text, note="name of the environment variable that holds it instead"),
        "language": Key(_one_of("en", "fi", "sv"), "en", note="language of the alarms"),
        "queue_age": Key(_duration, timedelta(minutes=5), note="a copy that waits longer is an alarm"),
        "routing_age": Key(_duration, timedelta(hours=4), note="a message without recipient, likewise"),
        "cancel_age": Key(
            _duration, timedelta(hours=24), note="a cancellation of what has not come, likewise"
        ),
        "remind": Key(_duration, timedelta(hours=24), note="an alarm that lasts is told of again"),
        "audit_every": Key(_duration, timedelta(hours=24), note="how often the whole trail is verified"),
    },
    "case": {
        "reply_within": Key(_days, 2, note="working days that occupational health may take to answer"),
        "before_leave_ends": Key(_days, 3, note="working days before the sick leave ends, if that is sooner"),
    },
    "retention": {
        "not_applicable": Key(_duration, timedelta(hours=24), note="content of what was not for the relay"),
        "delivered": Key(_duration, timedelta(days=7), note="content of what arrived"),
        "parked": Key(_duration, timedelta(days=90), note="content of what did not"),
    },
}
"""Sections that stand at most once, and their keys."""

LISTS: Mapping[str, Mapping[str, Key]] = {
    "organisation": {
        "id": Key(_organisation_key, is_required=True, note="urn:oid:..., or system|value"),
        "name": Key(_text, is_required=True, note="for people"),
        "token_file": Key(_text, note="hashes of its tokens, one sha256:... a line"),
        "token_env": _TOKEN_ENV,
        "certificates": Key(_thumbprints, (), note="its client certificates: sha256:... of each"),
    },
    "client": {
        "id": Key(_text, is_required=True, note="client id of SMART Backend Services"),
        "organisation": Key(_organisation_key, is_required=True, note="for whom it speaks"),
        "scopes": Key(_scopes, is_required=True, note='the most it may ask for: "system/Bundle.c"'),
        "jwks_file": Key(_text, note="its public keys, a JWKS"),
        "jwks_url": Key(_web_address, note="where they are fetched instead"),
    },
    "operator": {
        "name": Key(_text, is_required=True, note="a person; stands in the audit"),
        "roles": Key(_roles, ("operator",), note="what they may do: " + ", ".join(RIGHTS)),
        "token_file": Key(_text, note="hashes of their tokens, one sha256:... a line"),
        "token_env": _TOKEN_ENV,
    },
    "user": {
        "sign_in": Key(_user_name, is_required=True, note="user name; stands in the audit"),
        "name": Key(_text, is_required=True, note="what people call them"),
        "organisation": Key(_organisation_key, is_required=True, note="for whom they read and answer"),
        "password_file": Key(_text, note="the line that `silta password` prints; 0600"),
        "password_env": Key(_text, note="name of the environment variable that holds it instead"),
        "language": Key(_one_of("en", "fi", "sv"), note="absent: the partner's"),
    },
    "source": {
        "name": Key(_text, is_required=True, note="as in POST /ingest/NAME"),
        "organisation": Key(_organisation_key, is_required=True, note="who submits by it"),
        "format": Key(_one_of("hl7v2", "cda", "xml", "json", "fhir"), is_required=True, note="what it sends"),
        "map": Key(_text, "auto", note="name of the map; auto takes the shipped one for the format"),
        "consents": Key(_text, note="map that reads consents from its messages; absent: it files none"),
        "zone": Key(_zone, note="zone of its local times; absent: the deployment's"),
        "charset": Key(_text, note="charset of bodies that declare none"),
        "inclusive_end": Key(_truth, True, note="true if a sick leave's end date is its last day"),
    },
    "mllp": {
        "listen": Key(_listen, is_required=True, note="host and port"),
        "source": Key(_text, is_required=True, note="name of the HL7 v2 source whose messages come here"),
        "allow": Key(_networks, LOOPBACK, note="networks that callers may come from"),
        "certificate_file": Key(_text, note="PEM with its chain; absent: without TLS"),
        "key_file": Key(_text, note="PEM of its private key; 0600"),
        "client_authority_file": Key(_text, note="PEM of who signs the callers' certificates"),
    },
    "inbox": {
        "path": Key(_text, is_required=True, note="folder whose files are taken in"),
        "source": Key(_text, is_required=True, note="name of the source whose files come there"),
    },
    "partner": {
        "organisation": Key(_organisation_key, is_required=True, note="who receives"),
        "endpoint": Key(
            _endpoint, is_required=True, note="https://, mllps://HOST:PORT, file:///FOLDER or reply-form"
        ),
        "mode": Key(_one_of(*Mode), note="absent: the deployment's"),
        "profile": Key(_one_of(*PROFILES), "r4", note="how it and we make sure of each other's messages"),
        "form": Key(_one_of("fhir", "hl7v2", "cda"), "fhir", note="what its copies are written as"),
        "level": Key(_one_of(*Level), Level.MINIMAL, note="the most it may ever get"),
        "acknowledgement": Key(_one_of("reply", "later", "none"), "reply", note="how it acknowledges"),
        "acknowledge_within": Key(_duration, note="later than this is overdue; absent: the profile's"),
        "resend": Key(
            _one_of("automatic", "manual"),
            "automatic",
            note="what is done with a copy it does not acknowledge",
        ),
        "async": Key(_truth, False, note="true if it wants $process-message with async=true"),
        "signing_key_file": Key(_text, note="keys of a webhook, whsec_..., one or two lines; 0600"),
        "signing_key_env": _TOKEN_ENV,
        "language": Key(_one_of("en", "fi", "sv"), "fi", note="language of the texts it gets"),
        "token_file": Key(_text, note="bearer token we show it; 0600"),
        "token_env": _TOKEN_ENV,
        "notice_to": Key(_addresses, (), note="reply-form: who is written to when something waits"),
        "notice_webhook": Key(_web_address, note="reply-form: address that is POSTed it as JSON"),
        "notice_token_file": Key(_text, note="bearer token we show that address; 0600"),
        "notice_token_env": _TOKEN_ENV,
    },
}
"""Sections that stand once for each thing they describe."""
