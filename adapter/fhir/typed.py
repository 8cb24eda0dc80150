"""Resources as typed Python objects, for callers who want them.

The classes are those of `fhir.resources` for R4B, since it has none for R4; for the types both versions share
they differ in next to nothing. They turn dates into `datetime` and may refuse what R4 allows, so they are a
view for programs and never stand on the way of a message.

Python puts a module that has been imported into its package under its own name, where `adapter.fhir.typed` is
the function: so this module can be called, and does what the function does.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from datetime import date, datetime, time
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.resource import Resource as ResourceModel

from adapter.errors import Malformed
from adapter.fhir.decimals import JSON_NUMBER, ExactDecimal
from adapter.fhir.json_tokens import shown_name

if TYPE_CHECKING:
    from adapter.fhir.json import Json, Resource


Model: TypeAlias = Any
"""An object of one of the library's classes; each element is an attribute."""


def typed(resource: Resource) -> Model:
    """Return a resource as an object of its R4B class.

    Raises Malformed, with the path of the first fault, if there is no such class or it refuses the content.
    The library's own messages are dropped: they quote values.
    """
    name = str(resource.get("resourceType"))
    try:
        return get_fhir_model_class(name).model_validate(resource)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        locations = _locations(problem)
        path = _path(name, locations[0] if locations else ())
        raise Malformed("FH400", at=path, params={"count": max(len(locations), 1), "at": path}) from None


def untyped(model: Model, like: Resource | None = None) -> Resource:
    """Return the JSON shape of a typed object.

    The classes keep no texts: `10:00:00.000Z` comes back as `10:00:00+00:00`. With `like`, the resource the
    object was made from, every value that was not changed comes back as it was written there.
    """
    shape: Resource = _shape(model)
    if like is None:
        return shape
    kept: Resource = _kept(shape, _shape(typed(like)), like)
    return kept


def _locations(problem: Exception) -> list[tuple[int | str, ...]]:
    """Return where the library found faults, if it says so."""
    errors = getattr(problem, "errors", None)
    if errors is None:
        return []
    return [fault["loc"] for fault in errors(include_input=False, include_context=False, include_url=False)]


def _path(name: str, location: tuple[int | str, ...]) -> str:
    said = shown_name(name)
    for step in location:
        said += f"[{step}]" if isinstance(step, int) else f".{shown_name(step)}"
    return said


def _shape(value: object) -> Json:
    if hasattr(type(value), "model_fields"):
        return _object(value)
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, bool | int | None):
        return value
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    return str(value)


def _object(model: Model) -> Resource:
    made: Resource = {}
    if isinstance(model, ResourceModel):
        made["resourceType"] = model.get_resource_type()
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value is not None and name not in ("fhir_comments", "resource_type"):
            made[field.alias or name] = _shape(value)
    return made


def _decimal(value: Decimal) -> Json:
    text = str(value)
    if value == value.to_integral_value() and text.lstrip("-").isdecimal():
        return int(text)
    return ExactDecimal(text) if JSON_NUMBER.fullmatch(text) else text


def _kept(now: Json, then: Json, like: Json) -> Json:
    """Return `now`, but with the texts of `like` where nothing changed since `then`."""
    if isinstance(now, dict) and isinstance(then, dict) and isinstance(like, dict):
        return {key: _kept(value, then.get(key), like.get(key)) for key, value in now.items()}
    if isinstance(now, list) and isinstance(then, list) and isinstance(like, list):
        absent = [None] * len(now)
        aligned = zip(now, then + absent, like + absent, strict=False)
        return [_kept(*one) for one in aligned]
    return like if like is not None and now == then else now


class _Callable(ModuleType):
    """A module that is called like its function of the same name."""

    def __call__(self, resource: Resource) -> Model:
        return typed(resource)


sys.modules[__name__].__class__ = _Callable
