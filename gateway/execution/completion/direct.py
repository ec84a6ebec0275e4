"""Executes queries of a single field without graphql-core's executor."""

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLOutputType
from graphql.execution.values import VariableValues, get_argument_values

from gateway.execution.completion.levels import CHUNK, complete_rest
from gateway.execution.completion.plan import Details, ObjectPlan, Run
from gateway.execution.completion.resolving import METHOD, Method, Resolved
from gateway.execution.completion.variables import variables_of
from gateway.upstream.context import Context


class Direct:
    """A single-field query whose resolver is called, and its result completed, without the executor.

    The executor has run it once before. It also takes over in every unusual case, with the resolver's result.
    """

    def __init__(
        self, name: str, field: GraphQLField, details: Details, raw_info: Any, plan: ObjectPlan
    ) -> None:
        """`name` is the response name of the field, `raw_info` its GraphQLResolveInfo without a request."""
        self._name = name
        self._field = field
        self._node = details[0].node
        self._raw_info = raw_info
        self._plan = plan
        self._method: Method = field.extensions[METHOD]
        self._nullable = not isinstance(field.type, GraphQLNonNull)
        self._listed = isinstance(_without_non_null(field.type), GraphQLList)
        # The arguments, if they contain no variables: the same for every request.
        self._fixed: dict[str, Any] | None = None
        self._may_vary = bool(variables_of(self._node.arguments or ()))

    @classmethod
    def of(
        cls,
        name: str,
        field: GraphQLField,
        details: Details,
        raw_info: Any,
        compiled: Callable[[GraphQLOutputType], ObjectPlan | None],
    ) -> "Direct | None":
        """Return the direct execution of a field; None if it needs the executor."""
        if METHOD not in field.extensions or details[0].fragment_variable_values is not None:
            return None
        plan = compiled(_without_non_null(field.type))
        return None if plan is None else cls(name, field, details, raw_info, plan)

    async def execute(
        self, context: Context, variables: VariableValues
    ) -> dict[str, Any] | Resolved | None:
        """Return the response data, the resolver's result to complete, or None to execute everything."""
        raw_info = self._raw_info._replace(context=context, variable_values=variables.coerced)
        info = self._method.info(raw_info)
        try:
            arguments = self._arguments(info, variables)
        except Exception:  # noqa: BLE001 - invalid arguments, which graphql-core reports
            return None
        try:
            value = await self._method.call_converted(info, arguments)
        except Exception as error:  # noqa: BLE001 - graphql-core raises and reports it again
            return Resolved(None, error)
        if value is None and self._nullable:
            return {self._name: None}
        try:
            return {self._name: await self._completed(value, context)}
        except Exception:  # noqa: BLE001 - an unusual value, which graphql-core completes
            return Resolved(value)

    def _arguments(self, info: strawberry.Info, variables: VariableValues) -> dict[str, Any]:
        if self._fixed is not None:
            return self._fixed
        given = get_argument_values(self._field, self._node, variables)
        arguments = self._method.arguments(info, given)
        if not self._may_vary:
            self._fixed = arguments
        return arguments

    async def _completed(self, value: Any, context: Context) -> Any:
        plan, run = self._plan, Run(context.room)
        sources = plan.sources(value) if self._listed else [plan.source(value)]
        rows = plan.rows(sources[:CHUNK], run)
        await complete_rest(plan, sources, rows, run, context)
        return rows if self._listed else rows[0]


def _without_non_null(type_: GraphQLOutputType) -> GraphQLOutputType:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_
