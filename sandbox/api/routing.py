"""Finding the operation that a method and a path mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from sandbox.contract.operation import Operation
from sandbox.contract.routes import OPERATIONS


@dataclass(frozen=True, slots=True)
class Found:
    """The operation and its path parameters; `allowed` lists the methods that the path knows."""

    operation: Operation | None
    parameters: Mapping[str, str]
    allowed: tuple[str, ...]


def find(method: str, raw_path: str) -> Found:
    """Looks up a path below the base path, still percent-encoded; exact paths go first."""
    segments = raw_path.split("/")
    allowed: list[str] = []
    best: tuple[int, Operation, dict[str, str]] | None = None
    for operation in OPERATIONS:
        parameters = _matched(operation.path.split("/"), segments)
        if parameters is None:
            continue
        allowed.append(operation.method)
        if operation.method == method and (best is None or len(parameters) < best[0]):
            best = (len(parameters), operation, parameters)
    if best is None:
        return Found(None, {}, tuple(sorted(set(allowed))))
    return Found(best[1], best[2], tuple(allowed))


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
