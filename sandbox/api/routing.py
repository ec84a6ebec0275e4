"""Finds the operation of a method and a path."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from sandbox.contract.operation import Operation
from sandbox.contract.routes import OPERATIONS


@dataclass(frozen=True, slots=True)
class Found:
    """An operation and its path parameters; `allowed` lists the methods of the path."""

    operation: Operation | None
    parameters: Mapping[str, str]
    allowed: tuple[str, ...]


def find(method: str, raw_path: str) -> Found:
    """Look up a percent-encoded path below the base path; prefer the operation with the fewest parameters.

    GET /esims/apply is not GET /esims/{iccid}: only the methods of /esims/apply itself are allowed there.
    """
    segments = raw_path.split("/")
    matching = [
        (operation, parameters)
        for operation in OPERATIONS
        if (parameters := _matched(operation.path.split("/"), segments)) is not None
    ]
    if not matching:
        return Found(None, {}, ())
    meant, parameters = min(matching, key=lambda match: len(match[1]))
    methods = {one.method: one for one, _ in matching if one.path == meant.path}
    return Found(methods.get(method), parameters, tuple(sorted(methods)))


def _matched(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    parameters: dict[str, str] = {}
    for part, segment in zip(template, segments, strict=True):
        if part.startswith("{"):
            if not segment:
                return None
            parameters[part[1:-1]] = unquote(segment)
        elif part != segment:
            return None
    return parameters
