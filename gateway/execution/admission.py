"""Admits valid operations by their cost, their number of purchases and their use of introspection."""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from gateway.defence_settings import DefenceSettings
from gateway.documents.cost import Cost, Measured
from gateway.documents.prepared import Prepare, Prepared
from gateway.execution.completion.variables import Coercion
from gateway.upstream.context import Context
from kit.errors import Failure


class Admission:
    """Decides whether valid operations may run; one instance per schema."""

    def __init__(self, defence: DefenceSettings) -> None:
        self._defence = defence

    def check(self, prepared: Prepared, variables: Mapping[str, Any], context: Context) -> None:
        """Store the operation's cost in its context, and charge its caller.

        Raises GraphQLError if it must not run, Failure EXHAUSTED if the caller's work budget is used up.
        """
        measured = prepared.once(Cost).of(variables)
        if measured.introspects and not self._defence.introspection:
            raise GraphQLError(
                "Introspection is disabled here. Use the file schema.graphql, or ask the operator"
                " to set GATEWAY_INTROSPECTION",
                extensions={"code": "INTROSPECTION_DISABLED"},
            )
        self._check_purchases(measured)
        limit = self._defence.costs[context.cost_role]
        context.cost = measured.cost
        if measured.cost > limit:
            raise GraphQLError(
                f"The operation has an estimated cost of {measured.cost}, which is above the limit"
                f" of {limit}. Request fewer items with `first`, or split the operation into"
                " several requests",
                extensions={
                    "code": "TOO_COMPLEX",
                    "reason": "COST",
                    "limit": limit,
                    "cost": measured.cost,
                },
            )
        context.caller.work.begin(measured)

    def _check_purchases(self, measured: Measured) -> None:
        limit = self._defence.work.purchases
        if measured.purchases > limit:
            raise GraphQLError(
                f"The operation contains {measured.purchases} purchases, which is above the limit"
                f" of {limit}; nothing was bought. Send each purchase in its own request with its"
                " own idempotencyKey",
                extensions={
                    "code": "TOO_COMPLEX",
                    "reason": "PURCHASES",
                    "limit": limit,
                    "measured": measured.purchases,
                },
            )


class Admitted(SchemaExtension):
    """Makes Strawberry use prepared operations and check their admission; one instance per operation."""

    def __init__(self, prepare: Prepare, admission: Admission | None) -> None:
        super().__init__()
        self._prepare = prepare
        self._admission = admission

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        # The public property would return the first operation's name if the client sent none.
        self._prepared = context.context.prepared or self._prepare(
            context.query or "", context._provided_operation_name
        )
        context.graphql_document = self._prepared.document
        context.context.prepared = self._prepared
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        context.pre_execution_errors = self._prepared.errors or self._refusals()
        yield

    def _refusals(self) -> list[GraphQLError]:
        context, prepared = self.execution_context, self._prepared
        variables = context.variables or {}
        try:
            if self._admission is not None:
                self._admission.check(prepared, variables, context.context)
        except GraphQLError as error:
            return [error]
        except Failure as failure:
            return [GraphQLError(failure.message, original_error=failure)]
        coercion = prepared.once(Coercion)
        return coercion.errors(variables) if coercion.coerced(variables) is None else []
