"""The schema: every noun's queries, mutations and subscriptions in one Apollo Federation 2 subgraph."""

from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ValidationCache
from strawberry.federation.schema import FederationAny
from strawberry.types.execution import ExecutionContext

from gateway.admission import Admission
from gateway.completion.executor import OPERATIONS, Completing
from gateway.completion.selections import Operations
from gateway.connections import ConnectionQueries
from gateway.cost import Costs
from gateway.defence_settings import DefenceSettings
from gateway.documents import CACHED, Documents
from gateway.esim_operations import ESIMMutations, ESIMQueries
from gateway.orders import OrderQueries
from gateway.plan_queries import PlanQueries
from gateway.purchase import OrderMutations
from gateway.subscriptions import Subscription
from kit.checks import Checks

ENTITIES = ("DataPlan", "Order", "ESIM")


@strawberry.type(description="What can be asked.")
class Query(PlanQueries, OrderQueries, ESIMQueries, ConnectionQueries):
    """All queries."""


@strawberry.type(description="What can be changed.")
class Mutation(OrderMutations, ESIMMutations):
    """All mutations."""


class Schema(strawberry.federation.Schema):
    """Strawberry's, with two things that it leaves to chance: representations and logging."""

    def entities_resolver(
        self, info: strawberry.Info, representations: list[FederationAny]
    ) -> list[FederationAny]:
        checks = Checks()
        known = [_representation(checks, n, given) for n, given in enumerate(representations)]
        checks.done()
        info.context.spend(len(known))
        return super().entities_resolver(info, known)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: what is worth a line is logged where errors are put into words for the client."""


def _representation(checks: Checks, index: int, given: Any) -> Any:
    """Its type and key alone, noting what names no entity of ours."""
    path = f"representations[{index}]"
    kind, id_ = (
        (given.get("__typename"), given.get("id")) if isinstance(given, dict) else (None,) * 2
    )
    if kind not in ENTITIES:
        checks.fail(f"{path}.__typename", f"must be one of {', '.join(ENTITIES)}")
    checks.uuid(f"{path}.id", id_ if isinstance(id_, str) else "")
    return {"__typename": kind, "id": id_}


def build(max_depth: int, defence: DefenceSettings | None = None) -> Schema:
    """The schema; `max_depth` bounds how deep an operation's fields may be nested.

    With `defence`, operations are executed for a `Context` as far as its role may ask for them.
    """
    costs: Costs
    schema = Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        federation_version="2.3",
        execution_context_class=Completing,
        extensions=[
            lambda: Documents(max_depth),
            lambda: ValidationCache(maxsize=CACHED),
            *([lambda: Admission(costs, defence)] if defence else []),
        ],
    )
    costs = Costs(schema._schema)
    schema._schema.extensions[OPERATIONS] = Operations(CACHED)
    return schema
