"""Who sends, as a settings file names them: sources, their clients and certificates, MLLP and folders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapter.config.keys import is_loopback
from adapter.errors import AdapterError
from adapter.relay.message import Mode
from adapter.relay.source import Source
from adapter.server.inbox_folder import Inbox
from adapter.server.mllp_listener import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from joserfc.jwk import Key as PublicKey

    from adapter.config.document import Document
    from adapter.server.client import Client


PEM_FILES = ("certificate", "key", "client_authority")


def sources(
    document: Document, tables: list[dict[str, Any]], top: dict[str, Any], organisations: list[dict[str, Any]]
) -> Iterator[Source]:
    """Yield the sources; `top`: the keys of the whole deployment, whose zone is theirs by default."""
    document.once(tables, "source", "name")
    known = {one["id"] for one in organisations}
    for number, one in enumerate(tables, 1):
        at = f"source[{number}]"
        if one["organisation"] is not None and one["organisation"] not in known:
            document.fault("CF114", f"{at}.organisation")
        if one["name"] is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", one["name"]):
            document.fault("CF106", f"{at}.name", key="name", takes="letters, digits, dot, hyphen")
        if None in (one["name"], one["organisation"], one["format"]):
            continue
        yield Source(
            name=one["name"],
            organisation=one["organisation"],
            format=one["format"],
            map=one["map"],
            zone=one["zone"] or top["zone"],
            charset=one["charset"],
            inclusive_end=one["inclusive_end"],
            consents=one["consents"],
        )


def clients(
    document: Document, tables: list[dict[str, Any]], mode: str | None, organisations: list[dict[str, Any]]
) -> Iterator[Client]:
    """Yield the registered clients, the keys of files read."""
    if not tables:
        return
    from adapter.server.client import Client

    document.once(tables, "client", "id")
    known = {one["id"] for one in organisations}
    for number, one in enumerate(tables, 1):
        at = f"client[{number}]"
        if one["organisation"] is not None and one["organisation"] not in known:
            document.fault("CF114", f"{at}.organisation")
        if (one["jwks_file"] is None) is (one["jwks_url"] is None):
            document.fault("CF129", f"{at}.jwks_file")
        if mode == Mode.PRODUCTION and (one["jwks_url"] or "").startswith("http:"):
            document.fault("CF117", f"{at}.jwks_url")
        keys = _keys(document, one["jwks_file"], at) if one["jwks_file"] is not None else ()
        if None in (one["id"], one["organisation"], one["scopes"]):
            continue
        yield Client(
            id=one["id"],
            organisation=one["organisation"],
            scopes=one["scopes"],
            keys=keys,
            key_address=one["jwks_url"],
        )


def _keys(document: Document, name: str, at: str) -> tuple[PublicKey, ...]:
    from adapter.fhir import json as fhir_json
    from adapter.server.client import read_keys

    try:
        return read_keys(fhir_json.read(document.resolve(name).read_bytes()))
    except OSError:
        document.fault("CF110", f"{at}.jwks_file", path=name)
    except AdapterError:
        document.fault("CF149", f"{at}.jwks_file", path=name)
    return ()


def certificates(document: Document, organisations: list[dict[str, Any]]) -> dict[str, str]:
    """Return whose each certificate is; one of two organisations is a fault."""
    found: dict[str, str] = {}
    for number, one in enumerate(organisations, 1):
        for thumbprint in one["certificates"] or ():
            if found.setdefault(thumbprint, one["id"]) != one["id"]:
                document.fault(
                    "CF113",
                    f"organisation[{number}].certificates",
                    key="certificates",
                    section="organisation",
                )
    return found


def listeners(
    document: Document, tables: list[dict[str, Any]], sources: tuple[Source, ...], mode: str | None
) -> Iterator[Listener]:
    """Yield the MLLP listeners."""
    document.once(tables, "mllp", "listen")
    known = {one.name for one in sources if one.format == "hl7v2"}
    for number, one in enumerate(tables, 1):
        at = f"mllp[{number}]"
        if one["source"] is not None and one["source"] not in known:
            document.fault("CF123", f"{at}.source")
        if one["listen"] is None or one["source"] is None:
            continue
        host, port = one["listen"]
        files = {name: _pem(document, one, f"{name}_file", at) for name in PEM_FILES}
        if mode == Mode.PRODUCTION and files["certificate"] is None and not is_loopback(host):
            document.fault("CF124", f"{at}.certificate_file")
        yield Listener(host=host, port=port, source=one["source"], allow=one["allow"], **files)


def inboxes(document: Document, tables: list[dict[str, Any]], sources: tuple[Source, ...]) -> Iterator[Inbox]:
    """Yield the watched folders."""
    document.once(tables, "inbox", "path")
    known = {one.name for one in sources}
    for number, one in enumerate(tables, 1):
        if one["source"] is not None and one["source"] not in known:
            document.fault("CF134", f"inbox[{number}].source")
        if one["path"] is None or one["source"] is None:
            continue
        path = document.resolve(one["path"])
        if not path.is_dir():
            document.fault("CF120", f"inbox[{number}].path", path=one["path"])
        yield Inbox(path=path, source=one["source"])


def _pem(document: Document, table: dict[str, Any], key: str, at: str) -> Path | None:
    """Return the path of a file that TLS needs; None if none is named."""
    if table[key] is None:
        return None
    path = document.resolve(table[key])
    if not path.is_file():
        document.fault("CF125", f"{at}.{key}", path=table[key])
    return path
