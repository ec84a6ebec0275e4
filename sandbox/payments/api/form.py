"""Decodes `application/x-www-form-urlencoded` with nested and indexed keys."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from sandbox.payments.errors import invalid

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
# As deep as any parameter of the API, with some to spare.
_DEEPEST = 10


def decode(text: str) -> dict[str, Any]:
    """Return nested objects of strings; `a[b][c]=x`, `a[0]=x` and `a[]=x` are supported.

    A list is an object with the keys 0, 1, ...; the parameter's type says which of them it is.
    """
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=2000)
    return nest(pairs)


def nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Build nested objects from keys with brackets; raise ApiError for an invalid key."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if (found := _KEY.fullmatch(key)) is None:
            raise invalid(f"Invalid key: {key}", key)
        path = [found[1], *_PART.findall(found[2])]
        if len(path) > _DEEPEST:
            raise invalid(f"Too deeply nested: {key}", found[1])
        _put(result, path, value, key)
    return result


def _put(target: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    for part in path[:-1]:
        inner = target.setdefault(part or str(len(target)), {})
        if not isinstance(inner, dict):
            raise invalid(f"{key} conflicts with an earlier parameter", path[0])
        target = inner
    last = path[-1] or str(len(target))
    if isinstance(target.get(last), dict):
        raise invalid(f"{key} conflicts with an earlier parameter", path[0])
    target[last] = value
