"""Queries of one field, resolved and completed without graphql-core's executor."""

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLOutputType
from graphql.execution.values import VariableValues, get_argument_values

from gateway.execution.completion.levels import AT_ONCE, rest
from gateway.execution.completion.plan import Details, ObjectPlan, Run
from gateway.execution.completion.resolving import METHOD, Left, Method
from gateway.execution.completion.variables import variables_of
from gateway.upstream.context import Context


class Direct:
    """An operation that graphql-core has executed once, and whose one field a method and a plan answer.

    Whatever goes otherwise than usual is left to graphql-core, together with what the method gave.
    """

    def __init__(
        self,
        name: str,
        field: GraphQLField,
        details: Details,
        raw_info: Any,
        plan: ObjectPlan,
    ) -> None:
        """`name` is the field's in the answer; `raw_info` what graphql-core says of its place."""
        self._name = name
        self._field = field
        self._node = details[0].node
        self._raw_info = raw_info
        self._plan = plan
        self._method: Method = field.extensions[METHOD]
        self._nullable = not isinstance(field.type, GraphQLNonNull)
        self._listed = isinstance(_some(field.type), GraphQLList)
        # The same for every request where no variable is among them.
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
        """None for a field that needs the executor."""
        if METHOD not in field.extensions or details[0].fragment_variable_values is not None:
            return None
        plan = compiled(_some(field.type))
        return None if plan is None else cls(name, field, details, raw_info, plan)

    async def execute(
        self, context: Context, variables: VariableValues
    ) -> dict[str, Any] | Left | None:
        """The answer's data, or what is left to graphql-core; None where that has to do all."""
        raw_info = self._raw_info._replace(context=context, variable_values=variables.coerced)
        info = self._method.info(raw_info)
        try:
            arguments = self._arguments(info, variables)
        except Exception:  # noqa: BLE001 - of arguments; graphql-core meets it too, and words it
            return None
        try:
            value = await self._method.called(info, arguments)
        except Exception as error:  # noqa: BLE001 - it is raised again where it is worded
            return Left(None, error)
        if value is None and self._nullable:
            return {self._name: None}
        try:
            return {self._name: await self._completed(value, context)}
        except Exception:  # noqa: BLE001 - likewise of the value
            return Left(value)

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
        rows = plan.rows(sources[:AT_ONCE], run)
        await rest(plan, sources, rows, run, context)
        return rows if self._listed else rows[0]


def _some(type_: GraphQLOutputType) -> GraphQLOutputType:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_
