"""Whether a valid operation may run: what it costs for the caller's role, and whether it reads the schema."""

from collections.abc import Iterator

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from gateway.cost import Costs
from gateway.defence_settings import DefenceSettings


class Admission(SchemaExtension):
    """Decides after validation; made anew for each operation."""

    def __init__(self, costs: Costs, defence: DefenceSettings) -> None:
        super().__init__()
        self._costs = costs
        self._defence = defence

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if not context.pre_execution_errors:
            try:
                self._admit()
            except GraphQLError as error:
                context.pre_execution_errors = [error]
        yield

    def _admit(self) -> None:
        context = self.execution_context
        assert context.graphql_document is not None  # it was just found valid
        measured = self._costs.of(
            context.query or "",
            context.graphql_document,
            context._provided_operation_name,
            context.variables or {},
        )
        if measured.introspects and not self._defence.introspection:
            raise GraphQLError(
                "The schema is not read from here; take the file schema.graphql, or have the operator"
                " set GATEWAY_INTROSPECTION",
                extensions={"code": "INTROSPECTION_DISABLED"},
            )
        asked = context.context
        limit = self._defence.costs[asked.paying]
        asked.cost = measured.cost
        if measured.cost > limit:
            raise GraphQLError(
                f"The operation may cost {measured.cost}, and {limit} are allowed; ask for fewer with"
                " `first`, or in several requests",
                extensions={
                    "code": "TOO_COMPLEX",
                    "reason": "COST",
                    "limit": limit,
                    "cost": measured.cost,
                },
            )
