"""Plans, orders and eSIMs page by page, as Relay's connections."""

from typing import Any

import pytest

from kit.errors import invalid
from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import PLAN, esim, order
from tests.fixtures.platform import Platform
from tests.fixtures.sandboxes import Auth

PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


async def test_a_page_of_plans_has_cursors_and_the_total(gateway: Gateway) -> None:
    other = catalogue_pb2.DataPlan(id="2", name="other")
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse(
        plans=[PLAN, other], next_page_token="two", total_size=7, row_tokens=["one", "two"]
    )
    answer = await gateway.client.ask(
        '{ plans(first: 2, after: "zero", filter: {region: "Europe"}, orderBy: PRICE_ASC) {'
        f" edges {{ cursor node {{ name }} }} {PAGE} totalCount }} }}"
    )
    assert answer.data["plans"] == {
        "edges": [
            {"cursor": "one", "node": {"name": PLAN.name}},
            {"cursor": "two", "node": {"name": "other"}},
        ],
        "pageInfo": {
            "hasNextPage": True,
            "hasPreviousPage": True,
            "startCursor": "one",
            "endCursor": "two",
        },
        "totalCount": 7,
    }
    (request,) = gateway.catalogue.requests
    assert (request.page_size, request.page_token, request.filter.region) == (2, "zero", "Europe")
    assert request.order_by == catalogue_pb2.PLAN_ORDER_PRICE_ASC


@pytest.mark.parametrize(
    ("query", "counted"),
    [
        ("{ plans { edges { cursor } } }", False),
        ("{ plans { totalCount } }", True),
        ("{ plans { ...Page } } fragment Page on DataPlanConnection { n: totalCount }", True),
        ("{ plans { ... on DataPlanConnection { totalCount } } }", True),
    ],
)
async def test_plans_are_counted_only_where_the_total_is_selected(
    gateway: Gateway, query: str, counted: bool
) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    assert (await gateway.client.ask(query)).status == 200
    (request,) = gateway.catalogue.requests
    assert request.without_total is not counted


@pytest.mark.parametrize(
    ("query", "counted"),
    [
        ("{ orders { edges { cursor } } esims { edges { cursor } } }", False),
        ("{ orders { totalCount } esims { totalCount } }", True),
        (
            "{ orders { ...O } esims { ...E } } fragment O on OrderConnection { n: totalCount }"
            " fragment E on ESIMConnection { ... on ESIMConnection { n: totalCount } }",
            True,
        ),
    ],
)
async def test_orders_and_esims_are_counted_only_where_selected(
    gateway: Gateway, ann: Client, query: str, counted: bool
) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(total_size=12)
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(total_size=7)
    answer = await ann.ask(query)
    for service, total in ((gateway.orders, 12), (gateway.esims, 7)):
        (request,) = service.requests
        assert request.with_total is counted
        if counted:
            assert total in [n for part in answer.data.values() for n in part.values()]


async def test_an_empty_page_has_no_cursors(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    answer = await gateway.client.ask(f"{{ plans {{ edges {{ cursor }} {PAGE} totalCount }} }}")
    assert answer.data["plans"] == {
        "edges": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
        "totalCount": 0,
    }


async def test_connections_contain_only_the_callers_orders_and_esims(
    gateway: Gateway, ann: Client, auth: Auth
) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(
        orders=[order()], row_tokens=["o"]
    )
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(
        esims=[esim()], row_tokens=["e"]
    )
    query = (
        "{ orders(filter: {status: COMPLETED}) { edges { cursor node { status } } }"
        " esims { edges { cursor node { iccid } } } }"
    )
    assert (await ann.ask(query)).data == {
        "orders": {"edges": [{"cursor": "o", "node": {"status": "COMPLETED"}}]},
        "esims": {"edges": [{"cursor": "e", "node": {"iccid": esim().iccid}}]},
    }
    administrator = gateway.client.signed_in(await auth.token("root@example.com", admin=True))
    await administrator.ask(query)
    own_id = str(await auth.user_id("root@example.com"))
    for service in (gateway.orders, gateway.esims):
        assert [request.filter.customer_id for request in service.requests] == ["", own_id]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [("node { id plan { name } }", False), ("cursor ...E", True), ("node { id }", False)],
)
async def test_bundles_come_with_the_page_where_the_operation_selects_them(
    gateway: Gateway, ann: Client, fields: str, wanted: bool
) -> None:
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse()
    await ann.ask(
        f"query A {{ esims {{ edges {{ {fields} }} }} }}"
        + wanted * " fragment E on ESIMEdge { node { usage { activeBundles } } }"
    )
    (request,) = gateway.esims.requests
    assert (request.with_bundles, request.fresh) == (wanted, wanted)


async def test_bundles_that_came_with_the_page_need_no_other_call(
    gateway: Gateway, ann: Client
) -> None:
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(
        esims=[esim()],
        row_tokens=["e"],
        bundles=[
            esims_pb2.ESIMBundle(esim_id=esim().id, id="b", state=esims_pb2.BUNDLE_STATE_ACTIVE)
        ],
        usages=[esims_pb2.ESIMUsage(esim_id=esim().id)],
    )
    answer = await ann.ask("{ esims { edges { node { bundles { id } } } } }")
    assert answer.data["esims"]["edges"] == [{"node": {"bundles": [{"id": "b"}]}}]
    assert gateway.esims.calls == {"ListESIMs": 1}


@pytest.mark.parametrize("first", [0, 101, -1])
@pytest.mark.parametrize("field", ["plans", "orders", "esims"])
async def test_a_page_has_1_to_100_rows(ann: Client, field: str, first: int) -> None:
    answer = await ann.ask(f"{{ {field}(first: {first}) {{ edges {{ cursor }} }} }}")
    assert answer.code == "BAD_USER_INPUT"
    assert "from 1 to 100" in answer.error["extensions"]["fields"]["first"]


async def test_a_malformed_cursor_is_refused_with_a_message(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListPlans"] = invalid(
        {"page_token": "is not of this request"}, reason="INVALID_PAGE_TOKEN"
    )
    answer = await gateway.client.ask('{ plans(after: "x") { totalCount } }')
    assert answer.error["extensions"]["reason"] == "INVALID_CURSOR"
    assert "cursor returned by this connection" in answer.error["extensions"]["fields"]["after"]


async def test_every_cursor_continues_after_its_row(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    await platform.buy(ann, quantity=3)
    await platform.buy(ann, quantity=1)

    async def page(field: str, **arguments: Any) -> Any:
        types = {"first": "Int", "after": "String"}
        declared = ", ".join(f"${name}: {types[name]}" for name in arguments)
        given = ", ".join(f"{name}: ${name}" for name in arguments)
        query = (
            f"query({declared}) {{ {field}({given})"
            f" {{ edges {{ cursor node {{ id }} }} {PAGE} }} }}"
        )
        return (await ann.ask(query, **arguments)).data[field]

    for field in ("plans", "orders", "esims"):
        whole = await page(field, first=4)
        edges = whole["edges"]
        assert len({edge["node"]["id"] for edge in edges}) == len(edges) > 1
        for place, edge in enumerate(edges[:-1], start=1):
            rest = await page(field, first=len(edges) - place, after=edge["cursor"])
            assert rest["edges"] == edges[place:]
            assert rest["pageInfo"] == {**whole["pageInfo"], "hasPreviousPage": True} | {
                "startCursor": edges[place]["cursor"]
            }


async def test_a_cursor_is_valid_only_for_its_own_connection(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    await platform.buy(ann, quantity=2)
    connections = ("plans", "orders", "esims")
    cursors = {
        name: (await ann.ask(f"{{ {name}(first: 1) {{ edges {{ cursor }} }} }}")).data[name]
        for name in connections
    }
    for own, page in cursors.items():
        (edge,) = page["edges"]
        for other in connections:
            query = f"query($after: String) {{ {other}(after: $after) {{ edges {{ cursor }} }} }}"
            answer = await ann.ask(query, after=edge["cursor"])
            if other == own:
                assert answer.data
            else:
                assert answer.error["extensions"]["reason"] == "INVALID_CURSOR", (own, other)
