"""Roles of the staff: every gRPC method for every role, and what support and finance staff see of others."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from kit.rpc import client as rpc_client
from kit.rpc.errors import from_error
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.gateway import Client
from tests.fixtures.leaks.calls import services
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth

# The methods that not every signed-in caller may call, by the least role.
RESTRICTED: Mapping[str, set[str]] = {
    "support": {"ListHeldOrders", "ListOrganizations", "GetUsage", "GetExpiry"},
    "finance": {
        "GetPriceRules",
        "ListPriceRuleVersions",
        "SetPriceRules",
        "PreviewPrices",
        "ExplainPrice",
        "ListPriceHistory",
        "ListPlanPrices",
        "GetExchangeRates",
        "SetExchangeRates",
        "ListTaxRates",
        "SetTaxRates",
        "CreateCoupon",
        "DisableCoupon",
        "ListCoupons",
        *("ListPayments", "RefundOrder", "MarkOrderPaid", "CorrectWallet"),
        *("ListDisputes", "GetDisputeEvidence", "ReleaseOrder", "RejectOrder"),
        *("ListLedger", "ListAccounts", "CheckBooks"),
        *("IssueStatement", "RecordStatementPayment", "CreditStatement"),
        *("GetSales", "GetFunnel", "GetCohorts", "RebuildSales", "RebuildUsage"),
        *("ExportSales", "ExportLedger", "ExportCustomers"),
        # Others have to name their organization.
        *("ListStatements", "ExportESIMs"),
    },
    "admin": {
        "SetFeaturedPlans",
        "SetPlanHidden",
        "SetPlanTexts",
        "SetPlanDisplay",
        "SyncCatalogue",
        "GetSyncStatus",
        "ListStuckOrders",
        "GetOrderHistory",
        "ResumeOrder",
        "ResolveOrder",
        "ListUnexplainedProviderOrders",
        *("CreateOrganization", "UpdateOrganization", "SuspendOrganization", "ResumeOrganization"),
    },
    "service": {
        "QuotePlan",
        "BatchQuotePlans",
        "CreateOrderForCustomer",
        "ExportCustomer",
        "EraseCustomer",
        "ApplyEvents",
        "RegisterESIMs",
        "CancelOrderBundles",
        *(
            "ApplyPaymentEvents",
            "TakeExportLink",
            "ExchangeAPIKey",
            "ReplaceSigningKey",
            "GetKeySet",
        ),
        *("OpenShareLink", "ApplyMemberships", "EraseTravelers"),
    },
}
# Buying needs a customer: the service role key buys with CreateOrderForCustomer.
BUYING = {"CreateOrder", "ValidateBatch", "CreateBatch"}
SUFFICIENT = {
    "support": {"support", "finance", "admin", "service"},
    "finance": {"finance", "admin", "service"},
    "admin": {"admin", "service"},
    "service": {"service"},
}
STAFF = ("support", "finance")
DETAILS = """query($id: ID!) { orderDetails(id: $id) {
    id status totalPrice reference timeline { message } cancellation { extent }
    esims { id iccid matchingId activationCode } } }"""


async def forged(auth: Auth, role: str) -> str:
    """Sign up as a customer who claims a role in the metadata that users write themselves."""
    body = {
        "email": f"forged-{role}@example.com",
        "password": "a long passphrase",
        "data": {"role": role, "app_metadata": {"role": role}, "is_admin": True},
    }
    headers = {"apikey": auth.anon_key}
    async with auth.http.post(f"{auth.url}/auth/v1/signup", json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return str((await answer.json())["access_token"])


async def code_of(
    channel: grpc.aio.Channel, service: ServiceDescriptor, method: MethodDescriptor, token: str
) -> grpc.StatusCode:
    """Call a method with an empty request, and return the status of the call or of its first message."""
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    call: Any = make(
        f"/{service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    request = GetMessageClass(method.input_type)()
    running = call(request, metadata=(("authorization", f"Bearer {token}"),), timeout=PATIENCE)
    try:
        await (running.read() if method.server_streaming else running)
    except grpc.aio.AioRpcError as error:
        return error.code()
    running.cancel()
    return grpc.StatusCode.OK


async def test_every_method_admits_the_documented_roles(platform: Platform) -> None:
    auth = platform.auth
    callers = {
        "customer": await auth.token("customer@example.com"),
        "support": await auth.token("support@example.com", role="support"),
        "finance": await auth.token("finance@example.com", role="finance"),
        "admin": await auth.token("admin@example.com", role="admin"),
        "service": auth.service_role_key,
        **{f"forged {role}": await forged(auth, role) for role in ("admin", "finance", "support")},
    }
    addresses = {
        "catalogue": platform.gateway_settings.catalogue_address,
        "orders": platform.orders_address,
        "esims": platform.esims_address,
    }
    least = {name: role for role, names in RESTRICTED.items() for name in names}
    seen = set()
    for process, service in services():
        async with rpc_client.channel(addresses[process]) as channel:
            for method in service.methods:
                seen.add(method.name)
                allowed = SUFFICIENT.get(least.get(method.name, ""), set(callers))
                for who, token in callers.items():
                    code = await code_of(channel, service, method, token)
                    refused = code is grpc.StatusCode.PERMISSION_DENIED
                    if who != "service" or method.name not in BUYING:
                        assert refused is (who not in allowed), (method.name, who, code)
    assert set(least) <= seen


@pytest.mark.parametrize("role", STAFF)
async def test_staff_reads_orders_of_customers_without_their_esims(
    platform: Platform, role: str
) -> None:
    ann = await platform.customer("ann@example.com")
    order = await platform.buy(ann)
    staff = await member(platform, role)
    listed = await staff.ask("{ allOrders { edges { node { id customerId } } } }")
    (edge,) = listed.data["allOrders"]["edges"]
    assert edge["node"]["id"] == order["id"]
    details = (await staff.ask(DETAILS, id=order["id"])).data["orderDetails"]
    assert (details["status"], details["totalPrice"]) == ("COMPLETED", order["totalPrice"])
    assert details["timeline"]
    assert (details["esims"], details["cancellation"]) == ([], None)
    assert (await staff.ask("{ myOrders { id } myESIMs { id } }")).data == {
        "myOrders": [],
        "myESIMs": [],
    }
    esim = await staff.ask(
        "query($id: ID!) { esimDetails(id: $id) { id } }", id=order["esims"][0]["id"]
    )
    assert esim.code == "NOT_FOUND"


@pytest.mark.parametrize("role", STAFF)
async def test_staff_changes_no_order_of_a_customer_and_sees_no_activation_code(
    platform: Platform, role: str
) -> None:
    ann = await platform.customer("ann@example.com")
    order = await platform.buy(ann)
    staff = await member(platform, role)
    cancelled = await staff.ask(
        "mutation($id: ID!) { cancelOrder(orderId: $id) { success code error } }", id=order["id"]
    )
    result = cancelled.data["cancelOrder"]
    assert (result["success"], result["code"]) == (False, "STAFF_MAY_ONLY_READ")
    async with rpc_client.channel(platform.orders_address) as channel:
        stub = orders_pb2_grpc.OrdersServiceStub(channel)
        request = orders_pb2.ListOrderAssignmentsRequest(order_id=order["id"])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.ListOrderAssignments(
                request, metadata=(("authorization", f"Bearer {staff.token}"),)
            )
    assert from_error(raised.value).reason == "STAFF_MAY_ONLY_READ"
    after = await ann.ask(DETAILS, id=order["id"])
    assert after.data["orderDetails"]["status"] == "COMPLETED"


@pytest.mark.parametrize("role", STAFF)
async def test_staff_buys_like_a_customer(platform: Platform, role: str) -> None:
    staff = await member(platform, role)
    order = await platform.buy(staff)
    assert order["esims"][0]["activationCode"].startswith("LPA:1$")
    details = (await staff.ask(DETAILS, id=order["id"])).data["orderDetails"]
    assert details["cancellation"]["extent"] == "WHOLE"
    cancelled = await staff.ask(
        "mutation($id: ID!) { cancelOrder(orderId: $id) { success } }", id=order["id"]
    )
    assert cancelled.data["cancelOrder"]["success"]


@asynccontextmanager
async def as_user(
    databases: Databases, claims: dict[str, Any]
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(databases.url("orders"))
    try:
        await connection.execute("set role orders_user")
        await connection.execute(
            "select set_config('request.jwt.claims', $1, false)", json.dumps(claims)
        )
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("claims", "orders", "esims"),
    [
        ({"app_metadata": {"role": "support"}}, 1, 0),
        ({"app_metadata": {"role": "finance"}}, 1, 0),
        ({"app_metadata": {"role": "admin"}}, 1, 1),
        ({"app_metadata": {"role": "customer"}}, 0, 0),
        ({"user_metadata": {"role": "support"}}, 0, 0),
        ({"role": "finance"}, 0, 0),
        ({}, 0, 0),
    ],
    ids=str,
)
async def test_row_security_lets_staff_read_orders_only(
    databases: Databases, claims: dict[str, Any], orders: int, esims: int
) -> None:
    await databases.admin.execute(
        "with placed as (insert into orders.esim_orders (customer_id, plan_id, bundle_name, quantity,"
        " unit_price, total_price, currency) values (gen_random_uuid(), gen_random_uuid(), 'b', 1, 1,"
        " 1, 'USD') returning id, customer_id) insert into orders.order_esims (order_id, iccid,"
        " customer_id, position, matching_id, smdp_address) select id, '8943100000000000017',"
        " customer_id, 0, 'CODE', 'smdp.example' from placed"
    )
    async with as_user(databases, claims) as connection:
        counts = [
            await connection.fetchval(f"select count(*) from orders.{table}")  # noqa: S608 - constants
            for table in ("esim_orders", "order_esims")
        ]
        assert counts == [orders, esims]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update orders.esim_orders set status = 'FAILED'")


async def member(platform: Platform, role: str) -> Client:
    return platform.client.signed_in(await platform.auth.token(f"{role}@example.com", role=role))
