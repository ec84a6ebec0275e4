"""Reads requests: typed JSON fields, the bearer token, the API key."""

import hmac
import json
from typing import Any

from aiohttp import web

from sandbox.auth.errors import Refusal, bad_request


class Fields:
    """The fields of a JSON object; each getter raises Refusal for a value of another type."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """Return the field, or None if it is absent or null."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise _wrong_type(name, "a string")
        return value

    def flag(self, name: str) -> bool | None:
        """Return the field, or None if it is absent or null."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise _wrong_type(name, "true or false")
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number, or None if the field is absent or null."""
        value = self._values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise _wrong_type(name, "a whole number")
        return value

    def mapping(self, name: str) -> dict[str, Any] | None:
        """Return the field, or None if it is absent or null."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, dict):
            raise _wrong_type(name, "an object")
        return value

    def refuse(self, *names: str) -> None:
        """Raise Refusal for fields of Supabase Auth that this emulator does not support."""
        for name in names:
            if self._values.get(name) not in (None, ""):
                raise bad_request(f"The local auth emulator does not support '{name}'; omit it")


async def read_fields(request: web.Request, *, may_be_empty: bool = False) -> Fields:
    """Return the body's fields; raise Refusal if it isn't a JSON object."""
    body = await request.read()
    if not body and may_be_empty:
        return Fields({})
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", "Could not parse request body as JSON") from error
    if not isinstance(values, dict):
        raise Refusal(400, "bad_json", "Could not parse request body as a JSON object")
    return Fields(values)


def bearer_token(request: web.Request) -> str:
    """Return the token of the Authorization header; raise Refusal if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refusal(401, "no_authorization", "This endpoint requires a valid Bearer token")
    return token.strip()


def equal(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def _wrong_type(name: str, wanted: str) -> Refusal:
    return Refusal(400, "bad_json", f"Could not parse request body: '{name}' must be {wanted}")
