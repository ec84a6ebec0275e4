"""Lists: newest first, by pages, with filters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.payments.api.operation import PAGING, Call, Operation
from sandbox.payments.api.params import Kind, Moment
from sandbox.payments.errors import Json, invalid, not_found
from sandbox.payments.state.world import World

Keep = Callable[[Any, Any], bool]
DEFAULT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of one kind of object; each filter compares an object with the parameter's value."""

    path: str
    returns: str
    table: Callable[[World], dict[str, Any]]
    render: Callable[[World, Any], Json]
    filters: Mapping[str, tuple[Kind, Keep]] = field(default_factory=dict)

    def operation(self) -> Operation:
        """Return the operation that serves the list."""
        spec = {**PAGING, "created": Moment()}
        spec |= {name: kind for name, (kind, _) in self.filters.items()}
        return Operation("GET", self.path, self.returns, self._answer, spec, lists=True)

    def _answer(self, call: Call) -> Json:
        url = "/v1" + self.path.replace("{}", call.ids[0] if call.ids else "")
        chosen = [
            one
            for one in reversed(self.table(call.world).values())
            if self._keeps(one, call.params)
        ]
        return page(
            chosen, call.params, self.returns, url, lambda one: self.render(call.world, one)
        )

    def _keeps(self, one: Any, params: Mapping[str, Any]) -> bool:
        if "created" in params and not _within(one.created, params["created"]):
            return False
        return all(
            keep(one, params[name])
            for name, (_, keep) in self.filters.items()
            if params.get(name) is not None
        )


def page(
    chosen: list[Any],
    params: Mapping[str, Any],
    kind: str,
    url: str,
    render: Callable[[Any], Json],
) -> Json:
    """Return one page of objects that are sorted newest first."""
    limit = params.get("limit", DEFAULT_LIMIT)
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        message = "You may only specify one of these parameters: starting_after, ending_before."
        raise invalid(message, "starting_after", "parameters_exclusive")
    start, end = 0, len(chosen)
    if after:
        start = _position(chosen, after, kind, "starting_after") + 1
    has_more = end - start > limit
    end = min(end, start + limit)
    if before:
        end = _position(chosen, before, kind, "ending_before")
        start = max(0, end - limit)
        has_more = start > 0
    return {
        "object": "list",
        "data": [render(one) for one in chosen[start:end]],
        "has_more": has_more,
        "url": url,
    }


def _position(chosen: list[Any], id_: str, kind: str, param: str) -> int:
    for index, one in enumerate(chosen):
        if one.id == id_:
            return index
    raise not_found(kind, id_, param)


def _within(created: int, bounds: Mapping[str, int]) -> bool:
    tests = {
        "eq": created.__eq__,
        "gt": created.__gt__,
        "gte": created.__ge__,
        "lt": created.__lt__,
        "lte": created.__le__,
    }
    return all(tests[name](bound) for name, bound in bounds.items())
