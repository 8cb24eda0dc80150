"""A folder to run an adapter from: settings, secrets, and example partners, consents and agreements."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, fields
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from adapter.config import FILE
from adapter.config.secrets import KEY_BYTES
from adapter.errors import ConfigurationError
from adapter.server.access import hash_line, new_token
from adapter.shipped import folder

if TYPE_CHECKING:
    from pathlib import Path

CALLERS = ("tuulilahti", "havuniemi", "kaskela", "vuorela", "tyollisyys", "operator")
"""Whom a new deployment knows: example hospitals, a provider, social and employment services, an operator."""
EXAMPLES = ("partners", "consents", "agreements")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What differs between deployments made from the skeleton."""

    listen: str = "127.0.0.1:8080"
    oh: str = "http://127.0.0.1:8082/fhir"
    hospital: str = "http://127.0.0.1:8081/fhir"
    name: str = "Silta"
    first: str = "5s"
    """Wait before the second attempt."""
    longest: str = "6h"
    give_up: str = "5d"
    acknowledgement: str = "reply"
    """How the example provider acknowledges."""

    def as_values(self) -> dict[str, str]:
        """Return what the skeleton's placeholders become."""
        return {one.name: str(getattr(self, one.name)) for one in fields(self)}


def make(target: Path, places: Places | None = None) -> Path:
    """Make a deployment in `target`; return its settings file.

    Secrets are fresh and 0600. Raises ConfigurationError (CF122) if the folder is there and not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError("CF122", at=str(target))
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)
    _settings(target, places or Places())
    for name in EXAMPLES:
        shutil.copytree(folder("fixtures") / "demo" / name, target / name)
    _secrets(target)
    return target / FILE


def _settings(target: Path, places: Places) -> None:
    skeleton = files("adapter.cli") / "skeleton"
    text = Template((skeleton / FILE).read_text("utf-8")).substitute(places.as_values())
    (target / FILE).write_text(text, "utf-8")
    (target / "README.md").write_text((skeleton / "README.md").read_text("utf-8"), "utf-8")
    for name in ("maps", "tables"):
        (target / name).mkdir()
        explained = (skeleton / name / "README.md").read_text("utf-8")
        (target / name / "README.md").write_text(explained, "utf-8")


def _secrets(target: Path) -> None:
    write_secret(target / "store.key", secrets.token_hex(KEY_BYTES))
    (target / "tokens").mkdir(mode=0o700)
    for name in CALLERS:
        token = new_token()
        write_secret(target / "tokens" / f"{name}.token", token)
        write_secret(target / "tokens" / f"{name}.sha256", hash_line(token))


def write_secret(path: Path, text: str) -> None:
    """Write a file that nobody else can ever read: it is made 0600, not changed to it."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text + "\n", "utf-8")
