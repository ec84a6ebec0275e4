"""The schema: every noun's queries and mutations in one Apollo Federation 2 subgraph."""

from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import ValidationCache
from strawberry.federation.schema import FederationAny
from strawberry.types.execution import ExecutionContext

from gateway.documents import CACHED, Documents
from gateway.esim_operations import ESIMMutations, ESIMQueries
from gateway.orders import OrderQueries
from gateway.plan_queries import PlanQueries
from gateway.purchase import OrderMutations
from kit.errors import invalid


@strawberry.type(description="What can be asked.")
class Query(PlanQueries, OrderQueries, ESIMQueries):
    """All queries."""


@strawberry.type(description="What can be changed.")
class Mutation(OrderMutations, ESIMMutations):
    """All mutations."""


class Schema(strawberry.federation.Schema):
    """Strawberry's, with two things that it leaves to chance: representations and logging."""

    def entities_resolver(
        self, info: strawberry.Info, representations: list[FederationAny]
    ) -> list[FederationAny]:
        known = [_representation(index, given) for index, given in enumerate(representations)]
        info.context.spend(len(known))
        return super().entities_resolver(info, known)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Nothing: what is worth a line is logged where errors are put into words for the client."""


def _representation(index: int, given: Any) -> Any:
    """Its type and key alone; raises Failure for what names no entity of ours."""
    kind = given.get("__typename") if isinstance(given, dict) else None
    if kind not in ENTITIES:
        raise invalid({f"representations[{index}].__typename": f"must be one of {ENTITIES}"})
    if not isinstance(given.get("id"), str):
        raise invalid({f"representations[{index}].id": "must be an id"})
    return {"__typename": kind, "id": given["id"]}


ENTITIES = ("DataPlan", "Order", "ESIM")


def build(max_depth: int) -> Schema:
    """The schema; `max_depth` bounds how deep an operation's fields may be nested."""
    return Schema(
        query=Query,
        mutation=Mutation,
        federation_version="2.3",
        extensions=[
            lambda: Documents(max_depth),
            lambda: ValidationCache(maxsize=CACHED),
        ],
    )
