"""Administrator operations in GraphQL: what the services receive, and who is refused."""

from typing import Any

import pytest

from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import PLAN, order
from tests.fixtures.platform import Platform
from tests.fixtures.sandboxes import Auth

HIDE = "mutation ($id: ID!) { setPlanHidden(planId: $id, hidden: true) { success code error plan { id } } }"
FEATURE = (
    "mutation ($ids: [ID!]!) { setFeaturedPlans(planIds: $ids) { success code plans { id } } }"
)
ALL = "{ allOrders { totalCount edges { node { id } } } }"
OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    (ALL, {}),
    (HIDE, {"id": PLAN.id}),
    (FEATURE, {"ids": [PLAN.id]}),
]
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def administrator(gateway: Gateway, auth: Auth) -> Client:
    return gateway.client.signed_in(await auth.token("root@example.com", admin=True))


@pytest.mark.parametrize(("query", "variables"), OPERATIONS)
async def test_customers_and_anonymous_clients_are_refused_before_any_service_is_called(
    gateway: Gateway, ann: Client, query: str, variables: dict[str, Any]
) -> None:
    for client, code in ((ann, "FORBIDDEN"), (gateway.client, "UNAUTHENTICATED")):
        answer = await client.ask(query, **variables)
        assert answer.code == code
        assert list(answer.body["data"].values()) == [None]
    assert not gateway.orders.requests
    assert not gateway.catalogue.requests


async def test_support_and_finance_staff_list_orders_but_change_no_plan(
    gateway: Gateway, auth: Auth
) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse()
    for role in ("support", "finance"):
        staff = gateway.client.signed_in(await auth.token(f"{role}@example.com", role=role))
        assert (await staff.ask(ALL)).data["allOrders"]["edges"] == []
        for query, variables in OPERATIONS[1:]:
            answer = await staff.ask(query, **variables)
            assert answer.code == "FORBIDDEN"
            assert answer.error["message"].endswith("with the role admin")
        await staff.ask("{ myOrders { id } }")
        own = str(await auth.user_id(f"{role}@example.com"))
        assert gateway.orders.requests[-1].filter.customer_id == own
    assert not gateway.catalogue.requests


async def test_orders_of_all_customers_are_listed_by_customer_status_and_time(
    gateway: Gateway, administrator: Client, auth: Auth
) -> None:
    customer = str(await auth.user_id("ann@example.com"))
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(
        orders=[
            order(customer_id=customer, needs_review=True),
            order("00000000-0000-4000-8000-00000000000a", customer_id=NOBODY),
        ],
        row_tokens=["one", "two"],
        next_page_token="two",
        total_size=41,
    )
    answer = await administrator.ask(
        'query ($customer: ID!) { allOrders(first: 2, after: "zero", filter: {customerId: $customer,'
        ' status: PROCESSING, fromDate: "2026-02-02"}) { totalCount pageInfo { endCursor hasNextPage }'
        " edges { cursor node { customerId needsReview } } } }",
        customer=customer,
    )
    assert answer.data["allOrders"] == {
        "totalCount": 41,
        "pageInfo": {"endCursor": "two", "hasNextPage": True},
        "edges": [
            {"cursor": "one", "node": {"customerId": customer, "needsReview": True}},
            {"cursor": "two", "node": {"customerId": None, "needsReview": False}},
        ],
    }
    (request,) = gateway.orders.requests
    assert (request.page_size, request.page_token, request.with_total) == (2, "zero", True)
    assert request.filter.customer_id == customer
    assert list(request.filter.statuses) == [orders_pb2.ORDER_STATUS_PROCESSING]
    assert request.filter.from_date.seconds == 1_769_990_400
    await administrator.ask(ALL)
    assert not gateway.orders.requests[-1].filter.HasField("customer_id")


async def test_a_plan_is_hidden_and_plans_are_featured(
    gateway: Gateway, administrator: Client
) -> None:
    gateway.catalogue.answers["SetPlanHidden"] = catalogue_pb2.SetPlanHiddenResponse(plan=PLAN)
    gateway.catalogue.answers["SetFeaturedPlans"] = catalogue_pb2.SetFeaturedPlansResponse(
        plans=[PLAN]
    )
    hidden = await administrator.ask(HIDE, id=PLAN.id)
    assert hidden.data["setPlanHidden"] == {
        "success": True,
        "code": None,
        "error": None,
        "plan": {"id": PLAN.id},
    }
    featured = await administrator.ask(FEATURE, ids=[PLAN.id])
    assert featured.data["setFeaturedPlans"] == {
        "success": True,
        "code": None,
        "plans": [{"id": PLAN.id}],
    }
    hide, feature = gateway.catalogue.requests
    assert (hide.plan_id, hide.hidden) == (PLAN.id, True)
    assert list(feature.plan_ids) == [PLAN.id]


async def test_a_refusal_of_the_service_is_data(gateway: Gateway, administrator: Client) -> None:
    missing = Failure(Kind.NOT_FOUND, "PLAN_NOT_FOUND", "There is no plan like that")
    gateway.catalogue.answers["SetPlanHidden"] = missing
    gateway.catalogue.answers["SetFeaturedPlans"] = missing
    hidden = await administrator.ask(HIDE, id=PLAN.id)
    assert hidden.data["setPlanHidden"]["code"] == "PLAN_NOT_FOUND"
    assert hidden.data["setPlanHidden"]["plan"] is None
    featured = await administrator.ask(FEATURE, ids=[PLAN.id])
    assert featured.data["setFeaturedPlans"] == {
        "success": False,
        "code": "PLAN_NOT_FOUND",
        "plans": [],
    }


async def test_me_returns_the_account_of_the_token(
    gateway: Gateway, ann: Client, administrator: Client, auth: Auth
) -> None:
    query = "{ me { id email role } }"
    assert (await ann.ask(query)).data["me"] == {
        "id": str(await auth.user_id("ann@example.com")),
        "email": "ann@example.com",
        "role": "CUSTOMER",
    }
    assert (await administrator.ask(query)).data["me"]["role"] == "ADMIN"
    for role in ("support", "finance"):
        staff = gateway.client.signed_in(await auth.token(f"{role}@example.com", role=role))
        assert (await staff.ask(query)).data["me"]["role"] == role.upper()
    assert (await gateway.client.ask(query)).code == "UNAUTHENTICATED"


async def test_an_administrator_hides_a_plan_and_puts_it_back_on_sale(
    platform: Platform,
) -> None:
    client = platform.client
    root = client.signed_in(await platform.auth.token("root@example.com", admin=True))
    offered = (await client.ask("{ featuredPlans(first: 1) { id } }")).data["featuredPlans"]
    plan = offered[0]["id"]
    quantity = "query ($id: ID!) { dataPlan(id: $id) { availableQuantity } }"
    toggle = (
        "mutation ($id: ID!, $hidden: Boolean!) { setPlanHidden(planId: $id, hidden: $hidden) {"
        " success plan { availableQuantity } } }"
    )
    for hidden in (True, True, False):
        done = await root.ask(toggle, id=plan, hidden=hidden)
        assert done.data["setPlanHidden"]["success"]
        read = await root.ask(quantity, id=plan)
        assert (read.data["dataPlan"]["availableQuantity"] == 0) is hidden
