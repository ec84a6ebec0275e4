"""Whether a valid operation may run: what it costs for the caller's role, and whether it reads the schema."""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import DocumentNode, GraphQLError
from strawberry.extensions import SchemaExtension

from gateway.defence_settings import DefenceSettings
from gateway.known_costs import Costs


class Admission:
    """Decides over valid operations; one for each schema."""

    def __init__(self, costs: Costs, defence: DefenceSettings) -> None:
        self._costs = costs
        self._defence = defence

    def check(
        self,
        query: str,
        document: DocumentNode,
        name: str | None,
        variables: Mapping[str, Any],
        asked: Any,
    ) -> None:
        """Raises GraphQLError for what may not run; `asked` is the operation's context, and told the cost."""
        measured = self._costs.of(query, document, name, variables)
        if measured.introspects and not self._defence.introspection:
            raise GraphQLError(
                "The schema is not read from here; take the file schema.graphql, or have the operator"
                " set GATEWAY_INTROSPECTION",
                extensions={"code": "INTROSPECTION_DISABLED"},
            )
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


class Admitted(SchemaExtension):
    """Lets Strawberry ask an Admission after its validation; made anew for each operation."""

    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self._admission = admission

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if not context.pre_execution_errors:
            assert context.graphql_document is not None  # it was just found valid
            try:
                self._admission.check(
                    context.query or "",
                    context.graphql_document,
                    context._provided_operation_name,
                    context.variables or {},
                    context.context,
                )
            except GraphQLError as error:
                context.pre_execution_errors = [error]
        yield
