"""Whether a resource is valid, as `$validate` is asked: what came is judged and not kept.

FHIR R4 operation Resource-validate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter import fhir
from adapter.errors import Malformed
from adapter.fhir.budget import DOOR
from adapter.outcome import shortened

if TYPE_CHECKING:
    from adapter.outcome import Issue
    from adapter.validation import Validator


def judge(
    body: bytes, media_type: str, resource_type: str | None, profile: str | None, validator: Validator
) -> list[Issue]:
    """Return what is wrong with the resource of a body, each with line and column.

    The resource stands in the body as it is, or in a Parameters resource as `resource`, with the profile as
    `profile`. Raises ContentError for what cannot be read, Malformed (IN117) for one that is not of
    `resource_type`.
    """
    sent = fhir.decode(body, media_type, budget=DOOR)
    resource, named, at = _subject(sent)
    if resource_type not in (None, resource.get("resourceType")):
        raise Malformed("IN117", params={"type": resource_type})
    issues = shortened(validator.validate(resource, profile or named))
    return fhir.located(issues, body, media_type, at)


def _subject(sent: dict[str, Any]) -> tuple[dict[str, Any], str | None, str | None]:
    """Return the resource to validate, the profile named beside it, and where in a Parameters it stands."""
    parts = sent.get("parameter")
    if sent.get("resourceType") != "Parameters" or not isinstance(parts, list):
        return sent, None, None
    named = {part.get("name"): (number, part) for number, part in enumerate(parts) if isinstance(part, dict)}
    number, part = named.get("resource", (0, {}))
    held = part.get("resource")
    if not isinstance(held, dict):
        return sent, None, None
    _, stated = named.get("profile", (0, {}))
    asked = next((stated[key] for key in stated if key.startswith("value")), None)
    return held, asked, f"Parameters.parameter[{number}].resource"
