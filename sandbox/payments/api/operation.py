"""One operation of the API: path, parameters and handler."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.payments.api.params import Flag, Integer, Kind, Many, Spec, Text
from sandbox.payments.errors import Json
from sandbox.payments.state.world import World

EXPAND: Kind = Many(Text(), most=20)


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose parameters were checked; `ids` are the variable parts of its path."""

    world: World
    ids: tuple[str, ...]
    params: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.ids[0]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that returns an object of the kind `returns`; `{}` in the path is an id."""

    method: str
    path: str
    returns: str
    handler: Callable[[Call], Json]
    spec: Spec
    # True if the object is in `data` of a list.
    lists: bool = False

    @property
    def segments(self) -> list[str]:
        return self.path.split("/")


def operation(
    method: str, path: str, returns: str, handler: Callable[[Call], Json], spec: Spec | None = None
) -> Operation:
    """Return an operation on one object, which accepts `expand` as all of them do."""
    return Operation(method, path, returns, handler, {"expand": EXPAND, **(spec or {})})


PAGING: Spec = {
    "expand": EXPAND,
    "limit": Integer(1, 100),
    "starting_after": Text(),
    "ending_before": Text(),
}
FLAG = Flag()
