"""Collected and compiled selections of an operation, for each combination of @skip and @include values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphql import GraphQLList, GraphQLObjectType, GraphQLOutputType

from gateway.documents.prepared import Prepared
from gateway.execution.completion.plan import Collect, Details, ObjectPlan, Unfit, list_plan
from gateway.execution.completion.variables import directive_variables

if TYPE_CHECKING:  # a circular import
    from gateway.execution.completion.direct import Direct

# Cached variants of one document. A variable of @skip or @include doubles their number; clients use one or
# two. Further variants are collected again for each request.
MAX_VARIANTS = 16


class Selections:
    """The selections of one operation for fixed values of its directives."""

    def __init__(self) -> None:
        # graphql-core's cache of a type's fields for a list of nodes. Its keys are the lists' identities, so
        # the list of the top level has to be retained as well.
        self.subfields: dict[Any, Any] = {}
        self._top: dict[str, Details] | None = None
        self._plans: dict[tuple[GraphQLOutputType, int], ObjectPlan | None] = {}
        # How to execute the next requests without graphql-core, if the `examined` operation allows it.
        self.direct: Direct | None = None
        self.examined = False

    def top(self, collected: dict[str, Details]) -> dict[str, Details]:
        """Return the fields of the top level that were collected first."""
        if self._top is None:
            self._top = collected
        return self._top

    def plan(
        self, type_: GraphQLOutputType, details: Details, collect: Collect
    ) -> ObjectPlan | None:
        """Return the plan of an object or of a list's objects; None if graphql-core is needed."""
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


class SelectionVariants:
    """The selections of one operation by the values of the variables in its directives."""

    def __init__(self, prepared: Prepared) -> None:
        self._variables = directive_variables(prepared.document.definitions)
        self._known: dict[tuple[Any, ...], Selections] = {}

    def of(self, variables: Mapping[str, Any]) -> Selections:
        """Return the selections for a request's variables."""
        key = tuple(variables.get(name) for name in self._variables)
        selections = self._known.get(key)
        if selections is None:
            selections = Selections()
            if len(self._known) < MAX_VARIANTS:
                self._known[key] = selections
        return selections
