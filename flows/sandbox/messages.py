"""Requests and responses, independent of the transport."""

from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = dict[str, Any]

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
DOCUMENTATION = "https://developer.drip.com/#rate-limiting"
CODES = {
    400: ("bad_request", "The request makes no sense"),
    401: ("authentication_error", "Authentication failed, check your credentials"),
    403: ("authorization_error", "You are not authorized to access this resource"),
    404: ("not_found_error", "The resource you requested was not found"),
    405: ("method_not_allowed_error", "This resource can only be read"),
    422: ("validation_error", "The request was invalid"),
    429: ("rate_limit_error", "Too many requests to this endpoint"),
}
OTHERWISE = ("server_error", "Something went wrong on our end")
SPENT = "API rate limit exceeded. Please try again in an hour."


class Call(msgspec.Struct, frozen=True):
    """A request; `resource` is None if the path is unknown."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str = ""
    resource: str | None = None
    account_id: str | None = None
    parent_id: str | None = None
    hidden_pages: bool = False
    etag: str = ""
    body: bytes = b""

    @property
    def page(self) -> int | None:
        """The requested page, 1 by default; None if it is not a whole number above 0."""
        return whole(self.query.get("page", "1"))


class Answer(msgspec.Struct, frozen=True):
    """A response, and how it is delivered.

    It is sent after `seconds`; with `pieces`, the body is sent in that many pieces over `seconds` instead. If `sent` is
    not None, the connection closes after that many bytes of the body; with `reset`, before the response.
    """

    status: int
    body: bytes
    headers: dict[str, str]
    reset: bool = False
    sent: int | None = None
    seconds: float = 0.0
    pieces: int = 0

    def with_headers(self, headers: dict[str, str]) -> "Answer":
        return msgspec.structs.replace(self, headers={**self.headers, **headers})


def whole(text: str) -> int | None:
    """A whole number above 0, or None."""
    digits = text.isascii() and text.isdigit() and len(text) < 19
    return int(text) or None if digits else None


def of_body(status: int, body: bytes, content_type: str) -> Answer:
    """A response with this body."""
    return Answer(status, body, {"content-type": content_type})


def of_json(status: int, payload: Any) -> Answer:
    """A response with this payload as JSON."""
    return of_body(status, msgspec.json.encode(payload), JSON)


def errors(status: int, code: str | None = None, message: str | None = None, attribute: str | None = None) -> Answer:
    """The usual error body: `{"errors": [{"code", "message", "attribute"?}]}`."""
    usual = CODES.get(status, OTHERWISE)
    error = {"code": code or usual[0], "message": message or usual[1]}
    return of_json(status, {"errors": [error | ({"attribute": attribute} if attribute else {})]})


def flat(status: int, message: str = SPENT) -> Answer:
    """The response when the rate limit is used up: no list of errors, no Retry-After."""
    return of_json(status, {"message": message, "documentation": DOCUMENTATION})


def html(status: int, message: str) -> Answer:
    """An HTML page, like one from a proxy in front of the API."""
    page = f"<!DOCTYPE html><html><head><title>{message}</title></head><body><h1>{message}</h1></body></html>"
    return of_body(status, page.encode(), HTML)
