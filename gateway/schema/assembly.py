"""Builds the schema: the queries, mutations and subscriptions of all types in one Federation 2 subgraph."""

from collections.abc import Iterable
from copy import copy
from functools import cache
from inspect import isawaitable
from typing import Any, cast

import strawberry
from graphql import GraphQLError, execute
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.federation.schema import FederationAny
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.execution import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType

from gateway.defence_settings import DefenceSettings
from gateway.documents.prepared import Prepare, Prepared, as_graphql, preparation
from gateway.documents.source_positions import index_positions
from gateway.documents.validation import Validation
from gateway.documents.work_settings import WorkSettings
from gateway.execution.admission import Admission, Admitted
from gateway.execution.completion.executor import Completing
from gateway.execution.completion.resolving import cache_arguments
from gateway.execution.completion.selections import SelectionVariants
from gateway.execution.completion.variables import Coercion
from gateway.execution.null_defaults import accept_null
from gateway.schema.accounts import AccountQueries
from gateway.schema.administration import AdministrationMutations, AdministrationQueries
from gateway.schema.connections import ConnectionQueries
from gateway.schema.esims.operations import ESIMMutations, ESIMQueries
from gateway.schema.orders.coupons import CouponMutations, CouponQueries
from gateway.schema.orders.orders import OrderQueries
from gateway.schema.orders.purchase import OrderMutations
from gateway.schema.orders.quotes import QuoteQueries
from gateway.schema.organizations.administration import OrganizationAdministration
from gateway.schema.organizations.api_keys import APIKeyMutations, APIKeyQueries
from gateway.schema.organizations.batches import BatchMutations, BatchQueries
from gateway.schema.organizations.budgets import BudgetMutations, BudgetQueries
from gateway.schema.organizations.mutations import GroupMutations, MemberMutations
from gateway.schema.organizations.orders import OrganizationOrderQueries
from gateway.schema.organizations.queries import OrganizationQueries
from gateway.schema.organizations.share_links import ShareLinkMutations, ShareLinkQueries
from gateway.schema.organizations.statements import StatementMutations, StatementQueries
from gateway.schema.organizations.travelers import TravelerMutations, TravelerQueries
from gateway.schema.payments.administration import (
    PaymentAdministrationMutations,
    PaymentAdministrationQueries,
)
from gateway.schema.payments.books import BooksQueries
from gateway.schema.payments.disputes import DisputeQueries
from gateway.schema.payments.wallets import WalletMutations, WalletQueries
from gateway.schema.plans.curation import CurationMutations
from gateway.schema.plans.facets import FacetQueries
from gateway.schema.plans.queries import PlanQueries
from gateway.schema.prices.administration import PriceMutations, PriceQueries
from gateway.schema.prices.exchange_rates import RateMutations, RateQueries
from gateway.schema.reports.cohorts import CohortQueries
from gateway.schema.reports.expiry import ExpiryReportQueries
from gateway.schema.reports.exports import ExportMutations
from gateway.schema.reports.funnel import OrderFunnelQueries
from gateway.schema.reports.sales import SalesReportQueries
from gateway.schema.reports.spending import SpendingReportQueries
from gateway.schema.reports.usage import UsageReportQueries
from gateway.schema.scalars import SCALARS
from gateway.schema.subscriptions import Subscription
from kit.errors import Failure, invalid
from kit.values.checks import Checks

ENTITIES = ("DataPlan", "Order", "ESIM")


@strawberry.type(description="All queries.")
class Query(
    PlanQueries,
    FacetQueries,
    OrderQueries,
    QuoteQueries,
    ESIMQueries,
    ConnectionQueries,
    AccountQueries,
    AdministrationQueries,
    PriceQueries,
    RateQueries,
    CouponQueries,
    WalletQueries,
    PaymentAdministrationQueries,
    DisputeQueries,
    BooksQueries,
    OrganizationQueries,
    APIKeyQueries,
    OrganizationOrderQueries,
    BudgetQueries,
    StatementQueries,
    BatchQueries,
    SalesReportQueries,
    SpendingReportQueries,
    OrderFunnelQueries,
    CohortQueries,
    UsageReportQueries,
    ExpiryReportQueries,
    TravelerQueries,
    ShareLinkQueries,
):
    """All queries."""


@strawberry.type(description="All mutations.")
class Mutation(
    OrderMutations,
    ESIMMutations,
    AdministrationMutations,
    CurationMutations,
    PriceMutations,
    RateMutations,
    CouponMutations,
    WalletMutations,
    PaymentAdministrationMutations,
    OrganizationAdministration,
    MemberMutations,
    GroupMutations,
    APIKeyMutations,
    BudgetMutations,
    StatementMutations,
    BatchMutations,
    TravelerMutations,
    ShareLinkMutations,
    ExportMutations,
):
    """All mutations."""


class Schema(strawberry.federation.Schema):
    """Strawberry's schema, which executes prepared queries and mutations without its extensions.

    It also reports an invalid federation representation as an error at its index in the list, and leaves the
    logging of errors to `gateway.errors`. Subscriptions run through Strawberry, with the extension Admitted.
    """

    prepare: Prepare
    admission: Admission | None
    # Maximum number of errors in one response.
    errors: int

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Prepare and execute one query or mutation, as `run` does."""
        try:
            prepared = self.prepare(query or "", operation_name)
        except Exception as error:  # noqa: BLE001 - the parser may fail in any way
            return ExecutionResult(None, [as_graphql(error)])
        return await self.run(prepared, variable_values, context_value, allowed_operation_types)

    async def run(
        self,
        prepared: Prepared,
        variables: dict[str, Any] | None,
        context: Any,
        allowed: Iterable[OperationType] | None = None,
    ) -> ExecutionResult:
        """Execute one query or mutation; raise InvalidOperationTypeError if its kind isn't allowed."""
        if allowed is not None and prepared.kind not in allowed:
            raise InvalidOperationTypeError(prepared.kind)
        if prepared.errors:
            return ExecutionResult(None, prepared.errors)
        given = variables or {}
        context.prepared = prepared
        try:
            if self.admission is not None:
                self.admission.check(prepared, given, context)
            coercion = prepared.once(Coercion)
            values = coercion.coerced(given)
            if values is None:
                return ExecutionResult(None, coercion.errors(given))
            direct = prepared.once(SelectionVariants).of(values.coerced).direct
            done = None if direct is None else await direct.execute(context, values)
            if isinstance(done, dict):
                return ExecutionResult(done, None)
            result = execute(
                self._schema,
                prepared.document,
                done,
                context,
                given,
                prepared.name,
                executor_class=self.execution_context_class,
                is_awaitable=cast(Any, optimized_is_awaitable),
            )
            executed = await result if isawaitable(result) else result
        except Exception as error:  # noqa: BLE001 - gateway.errors masks unexpected errors
            return ExecutionResult(None, [as_graphql(error)])
        return ExecutionResult(executed.data, executed.errors)

    def entities_resolver(
        self, info: strawberry.Info, representations: list[FederationAny]
    ) -> list[FederationAny]:
        """Resolve each representation; an invalid one is an error at its own index."""
        info.context.spend(len(representations))
        found, wrong = [], 0
        for index, given in enumerate(representations):
            found.append(self._entity(info, index, given))
            wrong += isinstance(found[-1], Failure)
            if wrong > self.errors:
                raise invalid(
                    {"representations": f"more than {self.errors} of them identify no entity"}
                )
        return found

    def _entity(self, info: strawberry.Info, index: int, given: Any) -> Any:
        try:
            known = _representation(index, given)
        except Failure as failure:
            return failure  # graphql-core reports an exception in a list as the error of that item
        (entity,) = super().entities_resolver(info, [known])
        return entity

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Do nothing, because `gateway.errors` logs unexpected errors."""


def _representation(index: int, given: Any) -> Any:
    """Return type and key of a representation; raise Failure INVALID if it identifies no entity."""
    checks, path = Checks(), f"representations[{index}]"
    if not isinstance(given, dict):
        checks.fail(path, "must be an object with `__typename` and `id`")
        checks.done()
    kind, id_ = given.get("__typename"), given.get("id")
    if kind not in ENTITIES:
        checks.fail(f"{path}.__typename", f"must be one of {', '.join(ENTITIES)}")
    checks.uuid(f"{path}.id", id_ if isinstance(id_, str) else "")
    checks.done()
    return {"__typename": kind, "id": id_}


@cache
def typed(errors: int) -> Schema:
    """Build the types, once per process, as this takes most of the time; each schema is a copy with them."""
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        federation_version="2.3",
        scalar_overrides=SCALARS,
        execution_context_class=Completing,
    )
    schema.errors = errors
    index_positions()
    accept_null(schema._schema)
    cache_arguments(schema._schema, schema)
    return schema


def build(max_depth: int, defence: DefenceSettings | None = None) -> Schema:
    """Build the schema; `max_depth` limits the nesting of an operation's fields.

    With `defence`, operations are admitted by their cost, purchases and use of introspection.
    """
    bounds = defence.work if defence else WorkSettings()
    schema = copy(typed(bounds.errors))
    schema.extensions = (lambda: Admitted(schema.prepare, schema.admission),)
    schema.admission = Admission(defence) if defence else None
    validation = Validation(
        schema._schema,
        errors=bounds.errors - 1,  # graphql-core appends one which says that it stopped
        comparisons=bounds.comparisons,
        suggestions=defence is None or defence.introspection,
    )
    schema.prepare = preparation(schema._schema, max_depth, validation)
    return schema
