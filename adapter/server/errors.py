"""One table: what an error is to the caller, as HTTP status and OperationOutcome.

The status follows whose move it is, so the table is by class; where a door knows better (a body too large, a
media type we do not take), the finding's own code says so. A test walks the tree of errors and the findings
of the doors, so that none is missing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from adapter.errors import (
    AdapterError,
    AmbiguousDelivery,
    ConfigurationError,
    Conflict,
    ContentError,
    DeliveryError,
    Malformed,
    NotFound,
    NotPermitted,
    RefusedDelivery,
    StoreError,
    TooCostly,
    TransientDelivery,
    Unsupported,
)
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS_OF_ERROR: Mapping[type[AdapterError], HTTPStatus] = {
    AdapterError: HTTPStatus.INTERNAL_SERVER_ERROR,
    ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    ContentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    Malformed: HTTPStatus.BAD_REQUEST,
    Unsupported: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooCostly: HTTPStatus.BAD_REQUEST,
    NotPermitted: HTTPStatus.FORBIDDEN,
    DeliveryError: HTTPStatus.BAD_GATEWAY,
    TransientDelivery: HTTPStatus.SERVICE_UNAVAILABLE,
    RefusedDelivery: HTTPStatus.BAD_GATEWAY,
    AmbiguousDelivery: HTTPStatus.GATEWAY_TIMEOUT,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
}
"""Every class of the tree. A sub-class without a row of its own takes its parent's."""

STATUS_OF_FINDING: Mapping[str, HTTPStatus] = {
    "AC101": HTTPStatus.UNAUTHORIZED,
    "AC102": HTTPStatus.UNAUTHORIZED,
    "AC103": HTTPStatus.FORBIDDEN,
    "AC104": HTTPStatus.FORBIDDEN,
    "AC105": HTTPStatus.BAD_REQUEST,
    "AC106": HTTPStatus.FORBIDDEN,
    "AC107": HTTPStatus.FORBIDDEN,
    "AC108": HTTPStatus.UNAUTHORIZED,
    "AC109": HTTPStatus.UNAUTHORIZED,
    "AC110": HTTPStatus.BAD_REQUEST,
    "AC111": HTTPStatus.BAD_REQUEST,
    "AC112": HTTPStatus.UNAUTHORIZED,
    "AC113": HTTPStatus.UNAUTHORIZED,
    "AC114": HTTPStatus.UNAUTHORIZED,
    "AC115": HTTPStatus.UNAUTHORIZED,
    "AC116": HTTPStatus.UNAUTHORIZED,
    "AC117": HTTPStatus.BAD_REQUEST,
    "AC118": HTTPStatus.SERVICE_UNAVAILABLE,
    "AC119": HTTPStatus.FORBIDDEN,
    "AC120": HTTPStatus.BAD_REQUEST,
    "CO200": HTTPStatus.UNPROCESSABLE_ENTITY,
    "CO214": HTTPStatus.PRECONDITION_FAILED,
    "IN101": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "IN102": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "IN103": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "IN104": HTTPStatus.NOT_ACCEPTABLE,
    "IN105": HTTPStatus.NOT_FOUND,
    "IN106": HTTPStatus.NOT_FOUND,
    "IN107": HTTPStatus.METHOD_NOT_ALLOWED,
    "IN108": HTTPStatus.BAD_REQUEST,
    "IN109": HTTPStatus.INTERNAL_SERVER_ERROR,
    "IN110": HTTPStatus.REQUEST_TIMEOUT,
    "IN112": HTTPStatus.SERVICE_UNAVAILABLE,
    "IN113": HTTPStatus.BAD_REQUEST,
    "IN114": HTTPStatus.BAD_REQUEST,
    "IN116": HTTPStatus.NOT_FOUND,
    "IN117": HTTPStatus.BAD_REQUEST,
    "IN118": HTTPStatus.BAD_REQUEST,
    "IN119": HTTPStatus.BAD_REQUEST,
    "IN120": HTTPStatus.BAD_REQUEST,
    "IN121": HTTPStatus.BAD_REQUEST,
    "IN122": HTTPStatus.UNPROCESSABLE_ENTITY,
    "IN123": HTTPStatus.FORBIDDEN,
    "IN124": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "IN130": HTTPStatus.BAD_REQUEST,
}
"""Findings of the doors whose status is not that of their class."""

FRAMEWORK_FINDING: Mapping[int, str] = {404: "IN106", 405: "IN107", 413: "IN101", 415: "IN103"}
"""What the framework's own refusals are called; any other 4xx of it is IN114."""


def status_of(error: AdapterError) -> HTTPStatus:
    """Return the HTTP status for `error`: by its finding, else by the nearest class of the table."""
    by_finding = STATUS_OF_FINDING.get(error.code)
    if by_finding is not None:
        return by_finding
    return next(STATUS_OF_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_OF_ERROR)


def framework_issue(status: int) -> Issue:
    """Return the finding for a refusal of the framework itself."""
    return Issue(FRAMEWORK_FINDING.get(status, "IN114"))
