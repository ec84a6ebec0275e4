"""What an operation selects: collected, and compiled, once for each way in which its directives turn out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
)

from gateway.documents.prepared import Prepared
from gateway.execution.completion.plan import Collect, Details, ObjectPlan, Unfit, list_plan
from gateway.execution.completion.variables import deciding

if TYPE_CHECKING:  # which is made from plans that are kept here
    from gateway.execution.completion.direct import Direct

# Ways that are kept for one document: two for each variable of a @skip or an @include. Clients use
# one or two; what goes beyond is collected anew for each request.
MOST_WAYS = 16


class Selections:
    """Of one operation, its directives decided."""

    def __init__(self) -> None:
        # graphql-core's own memory of what a type's fields are under a list of nodes. It tells lists
        # apart by identity, so that the top one has to be kept as well.
        self.subfields: dict[Any, Any] = {}
        self._top: dict[str, Details] | None = None
        self._plans: dict[tuple[GraphQLOutputType, int], ObjectPlan | None] = {}
        # How the next requests are executed; None before graphql-core `looked_at` it, or where it is needed.
        self.direct: Direct | None = None
        self.looked_at = False

    def top(self, collected: dict[str, Details]) -> dict[str, Details]:
        """The fields of the top level: those that were collected first."""
        if self._top is None:
            self._top = collected
        return self._top

    def plan(
        self, type_: GraphQLOutputType, details: Details, collect: Collect
    ) -> ObjectPlan | None:
        """For an object, or for the objects of a list; None where the stock executor is needed."""
        key = (type_, id(details))
        try:
            return self._plans[key]
        except KeyError:
            plan = self._plans[key] = _compiled(type_, details, collect)
            return plan


def _compiled(type_: GraphQLOutputType, details: Details, collect: Collect) -> ObjectPlan | None:
    try:
        if isinstance(type_, GraphQLObjectType):
            return ObjectPlan(type_, details, collect)
        return list_plan(type_, details, collect) if isinstance(type_, GraphQLList) else None
    except Unfit:
        return None


class Ways:
    """The selections of one operation, by the values of the variables that its directives name."""

    def __init__(self, prepared: Prepared) -> None:
        self._variables = deciding(prepared.document.definitions)
        self._known: dict[tuple[Any, ...], Selections] = {}

    def of(self, variables: Mapping[str, Any]) -> Selections:
        """The selections for a request's variables."""
        way = tuple(variables.get(name) for name in self._variables)
        known = self._known.get(way)
        if known is None:
            known = Selections()
            if len(self._known) < MOST_WAYS:
                self._known[way] = known
        return known
