"""A customer's orders and eSIMs as the gateway shows them."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.catalogue.v1 import catalogue_pb2
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway, stop_service
from tests.fixtures.gateway_customer import ESIM_ID, ISO, MOMENT, ORDER_ID, PLAN, esim, order
from tests.fixtures.sandboxes import Auth


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
        "usage": {"totalUsed": 0.5, "totalRemaining": 999.5, "activeBundles": 1, "asOf": ISO},
    }
    assert answer.headers["Cache-Control"] == "no-store"


async def test_activation_data_is_null_until_it_is_known(gateway: Gateway, ann: Client) -> None:
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


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ("id plan { name }", False),
        ("id bundles { id }", True),
        ("...Whole } } fragment Whole on ESIM { id ... on ESIM { usage { activeBundles } ", True),
    ],
)
async def test_bundles_come_with_the_list_where_the_operation_selects_them(
    gateway: Gateway, ann: Client, fields: str, wanted: bool
) -> None:
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse()
    await ann.ask(f"{{ myESIMs {{ {fields} }} }}")
    assert [request.with_bundles for request in gateway.esims.requests] == [wanted]


async def test_bundles_that_came_with_the_list_need_no_other_call(
    gateway: Gateway, ann: Client
) -> None:
    ids = [f"00000000-0000-4000-8001-{n:012}" for n in range(3)]
    gateway.esims.answers["ListESIMs"] = esims_pb2.ListESIMsResponse(
        esims=[esim(id_, as_of=MOMENT) for id_ in ids],
        bundles=[
            esims_pb2.ESIMBundle(esim_id=id_, id=f"b-{id_}", state=esims_pb2.BUNDLE_STATE_ACTIVE)
            for id_ in (ids[2], ids[0], ids[0])
        ],
        usages=[
            esims_pb2.ESIMUsage(esim_id=id_, active_bundles=n, as_of=MOMENT)
            for n, id_ in enumerate(ids)
        ],
    )
    answer = await ann.ask("{ myESIMs { bundles { id } usage { activeBundles } } }")
    assert answer.data["myESIMs"] == [
        {"bundles": [{"id": f"b-{ids[0]}"}] * 2, "usage": {"activeBundles": 0}},
        {"bundles": [], "usage": {"activeBundles": 1}},
        {"bundles": [{"id": f"b-{ids[2]}"}], "usage": {"activeBundles": 2}},
    ]
    assert gateway.esims.calls == {"ListESIMs": 1}


async def test_the_order_filter_and_page_size_reach_the_service(
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


@pytest.mark.parametrize(
    "query",
    [
        "{ myOrders(first: 0) { id } }",
        "{ myOrders(first: 501) { id } }",
        "{ myESIMs(first: -1) { id } }",
        '{ myOrders(filter: {fromDate: "0001-01-01T00:00:00+14:00"}) { id } }',
    ],
)
async def test_an_invalid_argument_is_bad_input(ann: Client, query: str) -> None:
    assert (await ann.ask(query)).code == "BAD_USER_INPUT"


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "", "20260101T99"])
async def test_an_invalid_date_is_refused(ann: Client, date: str) -> None:
    query = "query($d: DateTime) { myOrders(filter: {fromDate: $d}) { id } }"
    answer = await ann.ask(query, d=date)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")


async def test_while_a_service_is_unavailable_only_its_fields_are_null(
    gateway: Gateway, ann: Client
) -> None:
    gateway.orders.answers["ListOrders"] = orders_pb2.ListOrdersResponse(
        orders=[order(), order("00000000-0000-4000-8000-000000000009")]
    )
    await stop_service(gateway, "esims")
    answer = await ann.ask("{ myOrders { id dataPlan { name } esims { iccid } } }")
    first = answer.body["data"]["myOrders"][0]
    assert first == {"id": ORDER_ID, "dataPlan": {"name": PLAN.name}, "esims": None}
    assert {e["extensions"]["code"] for e in answer.body["errors"]} == {"UNAVAILABLE"}
    assert {tuple(e["path"]) for e in answer.body["errors"]} == {
        ("myOrders", 0, "esims"),
        ("myOrders", 1, "esims"),
    }
