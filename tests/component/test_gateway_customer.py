"""A customer's orders and eSIMs through the gateway, with stand-ins for the services behind it."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2
from protos.common.v1 import money_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway, gone
from tests.fixtures.neighbours import Auth

PLAN = catalogue_pb2.DataPlan(id="00000000-0000-5000-8000-000000000001", name="esim_1GB_7D_FR_V2")
ORDER_ID = "00000000-0000-4000-8000-000000000002"
ESIM_ID = "00000000-0000-4000-8000-000000000003"
MOMENT = Timestamp(seconds=1_770_000_000)
ISO = "2026-02-02T02:40:00+00:00"


def order(id_: str = ORDER_ID, **fields: Any) -> orders_pb2.Order:
    return orders_pb2.Order(
        **{
            "id": id_,
            "reference": "ref-1",
            "status": orders_pb2.ORDER_STATUS_COMPLETED,
            "plan_id": PLAN.id,
            "quantity": 2,
            "unit_price": money_pb2.Money(currency_code="USD", units=2, nanos=285_000_000),
            "total_price": money_pb2.Money(currency_code="USD", units=4, nanos=570_000_000),
            "customer_reference": "trip",
            "created_at": MOMENT,
            "updated_at": MOMENT,
            **fields,
        }
    )


def esim(id_: str = ESIM_ID, **fields: Any) -> esims_pb2.ESIM:
    return esims_pb2.ESIM(
        **{
            "id": id_,
            "iccid": "8943108169900000016",
            "order_id": ORDER_ID,
            "plan_id": PLAN.id,
            "status": esims_pb2.ESIM_STATUS_ASSIGNED,
            "matching_id": "K2-7Q4WZB-9MRTXC3",
            "smdp_address": "rsp-0026.example.com",
            "created_at": MOMENT,
            "updated_at": MOMENT,
            **fields,
        }
    )


@pytest.fixture
async def ann(gateway: Gateway, auth: Auth) -> Client:
    gateway.catalogue.answers["BatchGetPlans"] = catalogue_pb2.BatchGetPlansResponse(plans=[PLAN])
    gateway.orders.answers["GetOrder"] = orders_pb2.GetOrderResponse(order=order())
    gateway.orders.answers["BatchGetOrders"] = orders_pb2.BatchGetOrdersResponse(orders=[order()])
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(order=order())
    gateway.esims.answers["GetESIM"] = esims_pb2.GetESIMResponse(esim=esim())
    gateway.esims.answers["BatchListOrderESIMs"] = esims_pb2.BatchListOrderESIMsResponse(
        esims=[esim()]
    )
    gateway.esims.answers["BatchListBundles"] = esims_pb2.BatchListBundlesResponse()
    gateway.esims.answers["SuspendESIM"] = esims_pb2.SuspendESIMResponse(
        esim=esim(status=esims_pb2.ESIM_STATUS_SUSPENDED, last_action="Suspended")
    )
    return gateway.client.signed_in(await auth.token("ann@example.com"))


SIGNED_IN = {
    "myESIMs": "{ myESIMs { id status } }",
    "esimDetails": '{ esimDetails(id: "1") { id } }',
    "myOrders": "{ myOrders { id } }",
    "orderDetails": '{ orderDetails(id: "1") { id } }',
    "purchaseESIM": 'mutation { purchaseESIM(planId: "1") { success } }',
    "suspendESIM": 'mutation { suspendESIM(esimId: "1") { success } }',
    "restoreESIM": 'mutation { restoreESIM(esimId: "1") { success } }',
    "updateESIMReference": 'mutation { updateESIMReference(esimId: "1", reference: "") { success } }',
    "cancelOrder": 'mutation { cancelOrder(orderId: "1") { success } }',
}


@pytest.mark.parametrize("field", SIGNED_IN)
async def test_without_a_session_a_guarded_field_is_not_authenticated(
    gateway: Gateway, field: str
) -> None:
    answer = await gateway.client.ask(SIGNED_IN[field])
    assert answer.status == 200
    assert answer.error["message"] == "Not authenticated"
    assert answer.error["path"] == [field]
    assert answer.code == "UNAUTHENTICATED"
    assert "Authorization: Bearer" in answer.error["extensions"]["detail"]
    assert not gateway.orders.calls
    assert not gateway.esims.calls


@pytest.mark.parametrize("kind", ["Order", "ESIM"])
async def test_without_a_session_federation_finds_nobodys_things(
    gateway: Gateway, kind: str
) -> None:
    answer = await gateway.client.ask(
        "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
        r=[{"__typename": kind, "id": ORDER_ID}],
    )
    assert answer.body["data"] == {"_entities": [None]}
    assert answer.code == "UNAUTHENTICATED"
    assert not gateway.orders.calls
    assert not gateway.esims.calls


async def test_federation_looks_entities_up_in_one_call_with_the_callers_session(
    gateway: Gateway, ann: Client, auth: Auth
) -> None:
    answer = await ann.ask(
        """query($r: [_Any!]!) { _entities(representations: $r) {
             ... on Order { id status } } }""",
        r=[{"__typename": "Order", "id": id_} for id_ in (ORDER_ID, ESIM_ID)],
    )
    assert answer.data == {"_entities": [{"id": ORDER_ID, "status": "COMPLETED"}, None]}
    assert gateway.orders.calls == {"BatchGetOrders": 1}
    assert gateway.orders.callers == [str(await auth.user_id("ann@example.com"))]


async def test_an_order_has_every_documented_field(ann: Client) -> None:
    answer = await ann.ask(
        """query($id: ID!) { orderDetails(id: $id) {
             id reference status statusReason dataPlan { name } quantity unitPrice totalPrice
             totalPriceExact currency customerReference esims { iccid } createdAt updatedAt } }""",
        id=ORDER_ID,
    )
    assert answer.data["orderDetails"] == {
        "id": ORDER_ID,
        "reference": "ref-1",
        "status": "COMPLETED",
        "statusReason": None,
        "dataPlan": {"name": "esim_1GB_7D_FR_V2"},
        "quantity": 2,
        "unitPrice": 2.285,
        "totalPrice": 4.57,
        "totalPriceExact": "4.57",
        "currency": "USD",
        "customerReference": "trip",
        "esims": [{"iccid": "8943108169900000016"}],
        "createdAt": ISO,
        "updatedAt": ISO,
    }


async def test_an_esim_has_every_documented_field(gateway: Gateway, ann: Client) -> None:
    gateway.esims.answers["GetESIM"] = esims_pb2.GetESIMResponse(
        esim=esim(
            customer_ref="trip", assigned_date=MOMENT, last_action="Assigned", action_date=MOMENT
        )
    )
    gateway.esims.answers["BatchListBundles"] = esims_pb2.BatchListBundlesResponse(
        bundles=[
            esims_pb2.ESIMBundle(
                id="a-1",
                esim_id=ESIM_ID,
                name=PLAN.name,
                state=esims_pb2.BUNDLE_STATE_ACTIVE,
                data_used_mb=0.5,
                data_remaining_mb=999.5,
                start_date=MOMENT,
                end_date=MOMENT,
                as_of=MOMENT,
            ),
            esims_pb2.ESIMBundle(
                id="a-0",
                esim_id=ESIM_ID,
                name="esim_UL_1D_FR_V2",
                state=esims_pb2.BUNDLE_STATE_INACTIVE,
                unlimited=True,
            ),
        ]
    )
    gateway.esims.answers["BatchGetUsage"] = esims_pb2.BatchGetUsageResponse(
        usages=[
            esims_pb2.ESIMUsage(
                esim_id=ESIM_ID,
                total_used_mb=0.5,
                total_remaining_mb=999.5,
                active_bundles=1,
                as_of=MOMENT,
            )
        ]
    )
    answer = await ann.ask(
        """query($id: ID!) { esimDetails(id: $id) {
             id order { id } plan { name } iccid customerRef status assignedDate lastAction
             actionDate createdAt updatedAt activationCode smdpAddress matchingId
             appleInstallUrl androidInstallUrl
             bundles { id name state dataUsed dataRemaining startDate endDate isUnlimited asOf }
             usage { totalUsed totalRemaining activeBundles asOf } } }""",
        id=ESIM_ID,
    )
    lpa = "LPA:1$rsp-0026.example.com$K2-7Q4WZB-9MRTXC3"
    assert answer.data["esimDetails"] == {
        "id": ESIM_ID,
        "order": {"id": ORDER_ID},
        "plan": {"name": PLAN.name},
        "iccid": "8943108169900000016",
        "customerRef": "trip",
        "status": "ASSIGNED",
        "assignedDate": ISO,
        "lastAction": "Assigned",
        "actionDate": ISO,
        "createdAt": ISO,
        "updatedAt": ISO,
        "activationCode": lpa,
        "smdpAddress": "rsp-0026.example.com",
        "matchingId": "K2-7Q4WZB-9MRTXC3",
        "appleInstallUrl": f"https://esimsetup.apple.com/esim_qrcode_provisioning?carddata={lpa}",
        "androidInstallUrl": (
            f"https://esimsetup.android.com/esim_qrcode_provisioning?carddata={lpa}"
        ),
        "bundles": [
            {
                "id": "a-1",
                "name": PLAN.name,
                "state": "ACTIVE",
                "dataUsed": 0.5,
                "dataRemaining": 999.5,
                "startDate": ISO,
                "endDate": ISO,
                "isUnlimited": False,
                "asOf": ISO,
            },
            {
                "id": "a-0",
                "name": "esim_UL_1D_FR_V2",
                "state": "INACTIVE",
                "dataUsed": None,
                "dataRemaining": None,
                "startDate": None,
                "endDate": None,
                "isUnlimited": True,
                "asOf": None,
            },
        ],
        "usage": {
            "totalUsed": 0.5,
            "totalRemaining": 999.5,
            "activeBundles": 1,
            "asOf": ISO,
        },
    }
    assert answer.headers["Cache-Control"] == "no-store"


async def test_what_installs_an_esim_is_null_until_it_is_known(
    gateway: Gateway, ann: Client
) -> None:
    gateway.esims.answers["GetESIM"] = esims_pb2.GetESIMResponse(esim=esim(matching_id=""))
    answer = await ann.ask(
        """{ esimDetails(id: "1") {
             qrCode activationCode matchingId appleInstallUrl androidInstallUrl } }"""
    )
    assert set(answer.data["esimDetails"].values()) == {None}


@pytest.mark.parametrize("count", [1, 50])
async def test_calls_do_not_grow_with_the_number_of_esims(
    gateway: Gateway, ann: Client, count: int
) -> None:
    ids = [f"00000000-0000-4000-8001-{n:012}" for n in range(count)]
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(
        esims=[esim(id_, order_id=id_, plan_id=id_) for id_ in ids]
    )
    gateway.orders.answers["BatchGetOrders"] = lambda request: orders_pb2.BatchGetOrdersResponse(
        orders=[order(id_) for id_ in request.order_ids]
    )
    gateway.catalogue.answers["BatchGetPlans"] = lambda request: (
        catalogue_pb2.BatchGetPlansResponse(
            plans=[catalogue_pb2.DataPlan(id=id_, name=id_) for id_ in request.ids]
        )
    )
    gateway.esims.answers["BatchListBundles"] = lambda request: esims_pb2.BatchListBundlesResponse(
        bundles=[
            esims_pb2.ESIMBundle(esim_id=id_, id="b", state=esims_pb2.BUNDLE_STATE_ACTIVE)
            for id_ in request.esim_ids
        ]
    )
    gateway.esims.answers["BatchGetUsage"] = lambda request: esims_pb2.BatchGetUsageResponse(
        usages=[esims_pb2.ESIMUsage(esim_id=id_) for id_ in request.esim_ids]
    )
    answer = await ann.ask(
        "{ myESIMs { id plan { name } order { id } bundles { id } usage { activeBundles } } }"
    )
    assert [
        (e["id"], e["plan"]["name"], e["order"]["id"], len(e["bundles"]))
        for e in answer.data["myESIMs"]
    ] == [(id_, id_, id_, 1) for id_ in ids]
    assert gateway.catalogue.calls == {"BatchGetPlans": 1}
    assert gateway.orders.calls == {"BatchGetOrders": 1}
    assert gateway.esims.calls == {"ListESIMs": 1, "BatchListBundles": 1, "BatchGetUsage": 1}


async def test_lists_ask_for_the_newest_of_the_caller(
    gateway: Gateway, ann: Client, auth: Auth
) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(orders=[order()])
    answer = await ann.ask(
        """{ myOrders(filter: {status: COMPLETED, fromDate: "2026-02-02T04:40:00+02:00",
             toDate: "2026-02-03"}, first: 7) { id } }"""
    )
    assert answer.data == {"myOrders": [{"id": ORDER_ID}]}
    assert gateway.orders.requests == [
        orders_pb2.ListOrdersRequest(
            filter=orders_pb2.OrderFilter(
                statuses=[orders_pb2.ORDER_STATUS_COMPLETED],
                from_date=MOMENT,
                to_date=Timestamp(seconds=1_770_076_800),
            ),
            page_size=7,
        )
    ]


async def test_an_administrators_lists_hold_their_own_only(gateway: Gateway, auth: Auth) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse()
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse()
    client = gateway.client.signed_in(await auth.token("boss@example.com", admin=True))
    answer = await client.ask("{ myOrders { id } myESIMs { id } }")
    assert answer.data == {"myOrders": [], "myESIMs": []}
    own = str(await auth.user_id("boss@example.com"))
    assert gateway.orders.requests[0].filter.customer_id == own
    assert gateway.esims.requests[0].filter.customer_id == own


@pytest.mark.parametrize(
    "query",
    [
        "{ myOrders(first: 0) { id } }",
        "{ myOrders(first: 501) { id } }",
        "{ myESIMs(first: -1) { id } }",
        '{ myOrders(filter: {fromDate: "0001-01-01T00:00:00+14:00"}) { id } }',
    ],
)
async def test_an_argument_that_makes_no_sense_is_bad_input(ann: Client, query: str) -> None:
    assert (await ann.ask(query)).code == "BAD_USER_INPUT"


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "", "20260101T99"])
async def test_a_date_that_is_none_is_refused(ann: Client, date: str) -> None:
    query = "query($d: DateTime) { myOrders(filter: {fromDate: $d}) { id } }"
    answer = await ann.ask(query, d=date)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")


async def test_another_customers_things_are_null_with_not_found(
    gateway: Gateway, ann: Client
) -> None:
    gateway.orders.answers["GetOrder"] = Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "No such order")
    gateway.esims.answers["GetESIM"] = Failure(Kind.NOT_FOUND, "ESIM_NOT_FOUND", "No such eSIM")
    answer = await ann.ask('{ orderDetails(id: "1") { id } esimDetails(id: "1") { id } }')
    assert answer.body["data"] == {"orderDetails": None, "esimDetails": None}
    assert {e["extensions"]["reason"] for e in answer.body["errors"]} == {
        "ORDER_NOT_FOUND",
        "ESIM_NOT_FOUND",
    }


async def test_while_a_service_is_away_only_its_fields_are_null(
    gateway: Gateway, ann: Client
) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(
        orders=[order(), order("00000000-0000-4000-8000-000000000009")]
    )
    await gone(gateway, "esims")
    answer = await ann.ask("{ myOrders { id dataPlan { name } esims { iccid } } }")
    first = answer.body["data"]["myOrders"][0]
    assert first == {"id": ORDER_ID, "dataPlan": {"name": PLAN.name}, "esims": None}
    assert {e["extensions"]["code"] for e in answer.body["errors"]} == {"UNAVAILABLE"}
    assert {tuple(e["path"]) for e in answer.body["errors"]} == {
        ("myOrders", 0, "esims"),
        ("myOrders", 1, "esims"),
    }


PURCHASE = """mutation($id: ID!, $input: PurchaseInput) {
  purchaseESIM(planId: $id, input: $input) { success error code order { id status esims { iccid } } } }"""


async def test_a_purchase_passes_everything_on(gateway: Gateway, ann: Client) -> None:
    answer = await ann.ask(
        PURCHASE,
        id=PLAN.id,
        input={
            "quantity": 2,
            "customerReference": "trip",
            "autoActivate": True,
            "idempotencyKey": "k-1",
        },
    )
    assert answer.data["purchaseESIM"] == {
        "success": True,
        "error": None,
        "code": None,
        "order": {
            "id": ORDER_ID,
            "status": "COMPLETED",
            "esims": [{"iccid": "8943108169900000016"}],
        },
    }
    assert gateway.orders.requests == [
        orders_pb2.CreateOrderRequest(
            plan_id=PLAN.id,
            quantity=2,
            customer_reference="trip",
            auto_activate=True,
            idempotency_key="k-1",
        )
    ]


async def test_without_input_one_is_bought(gateway: Gateway, ann: Client) -> None:
    await ann.ask(PURCHASE, id=PLAN.id)
    assert gateway.orders.requests == [orders_pb2.CreateOrderRequest(plan_id=PLAN.id, quantity=1)]


async def test_an_order_still_in_process_is_a_success(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_PROCESSING, reference="")
    )
    answer = await ann.ask(PURCHASE, id=PLAN.id)
    assert answer.data["purchaseESIM"]["success"] is True
    assert answer.data["purchaseESIM"]["order"]["status"] == "PROCESSING"


async def test_a_failed_order_is_no_success_and_says_why(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["CreateOrder"] = orders_pb2.CreateOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_FAILED, status_reason="The shop is out of funds")
    )
    answer = await ann.ask(PURCHASE, id=PLAN.id)
    assert answer.data["purchaseESIM"]["success"] is False
    assert answer.data["purchaseESIM"]["error"] == "The shop is out of funds"
    assert answer.data["purchaseESIM"]["code"] == "ORDER_FAILED"
    assert answer.data["purchaseESIM"]["order"]["status"] == "FAILED"


@pytest.mark.parametrize(
    "kind", [Kind.INVALID, Kind.NOT_FOUND, Kind.REFUSED, Kind.CONFLICT, Kind.FORBIDDEN]
)
async def test_a_refusal_of_a_mutation_is_data(gateway: Gateway, ann: Client, kind: Kind) -> None:
    refusal = Failure(kind, "SOME_REASON", "This is why")
    refused = {"success": False, "error": "This is why", "code": "SOME_REASON"}
    for name in ("CreateOrder", "CancelOrder"):
        gateway.orders.answers[name] = refusal
    for name in ("SuspendESIM", "RestoreESIM", "UpdateESIMReference"):
        gateway.esims.answers[name] = refusal
    answer = await ann.ask(
        """mutation {
             purchaseESIM(planId: "1") { success error code order { id } }
             cancelOrder(orderId: "1") { success error code order { id } }
             suspendESIM(esimId: "1") { success error code esim { id } }
             restoreESIM(esimId: "1") { success error code esim { id } }
             updateESIMReference(esimId: "1", reference: "x") { success error code esim { id } } }"""
    )
    assert answer.data == {
        "purchaseESIM": {**refused, "order": None},
        "cancelOrder": {**refused, "order": None},
        "suspendESIM": {**refused, "esim": None},
        "restoreESIM": {**refused, "esim": None},
        "updateESIMReference": {**refused, "esim": None},
    }


@pytest.mark.parametrize(
    "kind", [Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.UNCLEAR, Kind.DEADLINE, Kind.INTERNAL]
)
async def test_a_fault_of_a_mutation_is_an_error_and_leaves_the_others(
    gateway: Gateway, ann: Client, kind: Kind
) -> None:
    gateway.esims.answers["SuspendESIM"] = Failure(kind, "SOME_REASON", "This is why")
    answer = await ann.ask(
        """mutation { purchaseESIM(planId: "1") { order { id } }
                      suspendESIM(esimId: "1") { success } }"""
    )
    assert answer.body["data"] == {
        "purchaseESIM": {"order": {"id": ORDER_ID}},
        "suspendESIM": None,
    }
    assert answer.error["path"] == ["suspendESIM"]


async def test_a_purchase_that_nobody_answered_tells_to_look_before_buying_anew(
    gateway: Gateway, ann: Client
) -> None:
    await gone(gateway, "orders")
    answer = await ann.ask(PURCHASE, id=PLAN.id)
    assert answer.code == "UNAVAILABLE"
    assert "look at myOrders" in answer.error["message"]


async def test_the_idempotency_header_serves_a_single_purchase(
    gateway: Gateway, ann: Client
) -> None:
    header = {"Idempotency-Key": "k-2"}
    await ann.ask('mutation { purchaseESIM(planId: "1") { success } }', header)
    assert gateway.orders.requests[-1].idempotency_key == "k-2"
    answer = await ann.ask(
        """mutation { a: purchaseESIM(planId: "1") { success error }
                      b: purchaseESIM(planId: "2") { success } }""",
        header,
    )
    assert gateway.orders.calls == {"CreateOrder": 1}
    assert answer.data["a"]["success"] is False
    assert "input.idempotencyKey" in answer.data["a"]["error"]


async def test_the_inputs_key_wins_over_the_header(gateway: Gateway, ann: Client) -> None:
    query = 'mutation { purchaseESIM(planId: "1", input: {idempotencyKey: "mine"}) { success } }'
    await ann.ask(query, {"Idempotency-Key": "k-3"})
    assert gateway.orders.requests[-1].idempotency_key == "mine"


async def test_after_a_mutation_nothing_older_is_shown(gateway: Gateway, ann: Client) -> None:
    states = iter([esims_pb2.ESIM_STATUS_SUSPENDED, esims_pb2.ESIM_STATUS_ASSIGNED])
    gateway.esims.answers["BatchListOrderESIMs"] = lambda request: (
        esims_pb2.BatchListOrderESIMsResponse(esims=[esim(status=next(states))])
    )
    gateway.esims.answers["RestoreESIM"] = esims_pb2.RestoreESIMResponse(esim=esim())
    answer = await ann.ask(
        """mutation {
             suspendESIM(esimId: "1") { esim { status order { esims { status } } } }
             restoreESIM(esimId: "1") { esim { status order { esims { status } } } } }"""
    )
    assert answer.data == {
        "suspendESIM": {
            "esim": {"status": "SUSPENDED", "order": {"esims": [{"status": "SUSPENDED"}]}}
        },
        "restoreESIM": {
            "esim": {"status": "ASSIGNED", "order": {"esims": [{"status": "ASSIGNED"}]}}
        },
    }


async def test_a_cancellation_says_what_happened(gateway: Gateway, ann: Client) -> None:
    gateway.orders.answers["CancelOrder"] = orders_pb2.CancelOrderResponse(
        order=order(status=orders_pb2.ORDER_STATUS_REFUNDED),
        message="1 bundle was taken off",
        revoked=[
            orders_pb2.RevokedAssignment(
                iccid="8943108169900000016", refund=orders_pb2.REFUND_RESULT_BALANCE
            ),
            orders_pb2.RevokedAssignment(iccid="8943108169900000024"),
        ],
    )
    answer = await ann.ask(
        """mutation { cancelOrder(orderId: "1") {
             success order { status } message revoked { iccid refund } } }"""
    )
    assert answer.data["cancelOrder"] == {
        "success": True,
        "order": {"status": "REFUNDED"},
        "message": "1 bundle was taken off",
        "revoked": [
            {"iccid": "8943108169900000016", "refund": "BALANCE"},
            {"iccid": "8943108169900000024", "refund": None},
        ],
    }


async def test_mutations_are_refused_by_get(gateway: Gateway, ann: Client) -> None:
    headers = {"Authorization": f"Bearer {ann.token}"}
    params = {"query": SIGNED_IN["purchaseESIM"]}
    url = f"{ann.url}/graphql"
    async with ann.http.get(url, params=params, headers=headers) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"
    assert not gateway.orders.calls
