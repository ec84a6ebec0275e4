"""Operations over WebSockets: events, refusals, limits, and closing."""

import asyncio

import aiohttp
import pytest

import gateway.__main__ as gateway_process
from gateway.http.socket_protocol import MAX_OPERATIONS
from gateway.http.socket_settings import SocketSettings
from kit.auth.sessions import Verifier
from kit.errors import Failure, Kind
from kit.rpc.access import Access, Rule
from kit.rpc.guard import Service
from kit.rpc.server import Running, start
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.fixtures.answers.changes import Changes
from tests.fixtures.free_ports import free_ports
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, ORDER_ID, esim, order_event
from tests.fixtures.patience import PATIENCE
from tests.fixtures.sandboxes import Auth
from tests.fixtures.sockets import connected, opened

FOLLOW = "subscription($id: ID!) { orderUpdated(orderId: $id) { id status } }"
STATUS = """subscription($id: ID!) { esimStatusUpdated(esimId: $id) {
    esimId status dataUsed dataRemaining updatedAt } }"""


async def test_an_order_is_followed_until_the_client_completes(
    ann: Client, changes: Changes
) -> None:
    async with connected(ann) as socket:
        id_ = await socket.subscribe(FOLLOW, id=ORDER_ID)
        assert await socket.data() == {"orderUpdated": {"id": ORDER_ID, "status": "PROCESSING"}}
        await changes.publish(order_event())
        assert await socket.data() == {"orderUpdated": {"id": ORDER_ID, "status": "COMPLETED"}}
        await socket.send(id=id_, type="complete")
        await changes.until_open(0)
        await socket.send(
            id=id_, type="subscribe", payload={"query": FOLLOW, "variables": {"id": ORDER_ID}}
        )
        assert (await socket.data())["orderUpdated"]["status"] == "COMPLETED"


async def test_an_esims_status_has_its_documented_fields(gateway: Gateway, ann: Client) -> None:
    watched = esims_pb2.WatchedESIM(
        esim=esim(), data_used_mb=250.5, data_remaining_mb=749.5, updated_at=esim().updated_at
    )
    gateway.esims.answers["WatchESIMs"] = Changes(esims_pb2.WatchESIMsResponse(esims=[watched]))
    async with connected(ann) as socket:
        await socket.subscribe(STATUS, id=ESIM_ID)
        assert (await socket.data())["esimStatusUpdated"] == {
            "esimId": ESIM_ID,
            "status": "ASSIGNED",
            "dataUsed": 250.5,
            "dataRemaining": 749.5,
            "updatedAt": "2026-02-02T02:40:00.000000Z",
        }


async def test_my_esims_updated_starts_with_the_empty_list_and_then_sends_only_changes(
    gateway: Gateway, ann: Client
) -> None:
    changes = Changes(esims_pb2.WatchESIMsResponse())
    gateway.esims.answers["WatchESIMs"] = changes
    async with connected(ann) as socket:
        await socket.subscribe("subscription { myESIMsUpdated { id order { status } } }")
        assert await socket.data() == {"myESIMsUpdated": []}
        one = esims_pb2.WatchedESIM(esim=esim())
        await changes.publish(esims_pb2.WatchESIMsResponse(esims=[one]))
        assert await socket.data() == {
            "myESIMsUpdated": [{"id": ESIM_ID, "order": {"status": "COMPLETED"}}]
        }
    assert not gateway.esims.requests[0].HasField("customer_id")


async def test_each_event_reloads_its_nested_objects(
    gateway: Gateway, ann: Client, changes: Changes
) -> None:
    async with connected(ann) as socket:
        query = "subscription($id: ID!) { orderUpdated(orderId: $id) { esims { status } } }"
        await socket.subscribe(query, id=ORDER_ID)
        assert (await socket.data())["orderUpdated"]["esims"] == [{"status": "ASSIGNED"}]
        gateway.esims.answers["BatchListOrderESIMs"] = esims_pb2.BatchListOrderESIMsResponse(
            esims=[esim(status=esims_pb2.ESIM_STATUS_ACTIVE)]
        )
        await changes.publish(order_event())
        assert (await socket.data())["orderUpdated"]["esims"] == [{"status": "ACTIVE"}]


async def test_subscriptions_survive_a_service_restart(ann: Client, changes: Changes) -> None:
    async with connected(ann) as socket:
        await socket.subscribe(FOLLOW, id=ORDER_ID)
        await socket.data()
        away = Failure(Kind.UNAVAILABLE, "STREAM_ENDED", "This service is shutting down")
        await changes.publish(away)
        await changes.until_open(0)
        # The restarted service repeats the known state, which causes no event, and then reports a new one.
        await changes.until_open(1)
        await changes.publish(order_event())
        assert (await socket.data())["orderUpdated"]["status"] == "COMPLETED"


async def test_changes_during_a_service_outage_are_sent_after_it(
    gateway: Gateway, ann: Client, changes: Changes, auth: Auth
) -> None:
    # The system gives a port that it chose itself to another test once it is free.
    (port,) = free_ports(1)

    async def orders() -> Running:
        descriptor = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"]
        return await start(
            Service(
                descriptor,
                lambda server: orders_pb2_grpc.add_OrdersServiceServicer_to_server(
                    gateway.orders, server
                ),
                {method.name: Rule(Access.SIGNED_IN) for method in descriptor.methods},
            ),
            host="127.0.0.1",
            port=port,
            verifier=Verifier(
                supabase_url=auth.url, service_role_key=auth.service_role_key, http=ann.http
            ),
        )

    before = await orders()
    async with (
        gateway.another(ann, orders_address=f"127.0.0.1:{port}") as client,
        connected(client) as socket,
    ):
        await socket.subscribe(FOLLOW, id=ORDER_ID)
        assert (await socket.data())["orderUpdated"]["status"] == "PROCESSING"
        await before.server.stop(None)
        await changes.until_open(0)
        changes.messages[:] = [order_event()]
        again = await orders()
        assert (await socket.data())["orderUpdated"]["status"] == "COMPLETED"
        await again.stop(drain=0, grace=0)


async def test_a_refusal_of_the_service_ends_the_operation_with_its_code(
    gateway: Gateway, ann: Client
) -> None:
    refusal = Failure(Kind.NOT_FOUND, "ORDER_NOT_FOUND", "No order of yours has this id")
    gateway.orders.answers["WatchOrder"] = refusal
    async with connected(ann) as socket:
        await socket.subscribe(FOLLOW, id=ORDER_ID)
        error = await socket.error()
        assert error["extensions"] == {"code": "NOT_FOUND", "reason": "ORDER_NOT_FOUND"}
        assert error["message"] == "No order of yours has this id"


async def test_an_unexpected_error_is_masked(
    ann: Client, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(ann) as socket:
        # A status that this gateway doesn't know, as from a newer service.
        changes.messages[:] = [order_event(status=99)]
        await socket.subscribe(FOLLOW, id=ORDER_ID)
        error = await socket.error()
        assert error["extensions"]["code"] == "INTERNAL"
        assert error["extensions"]["faultId"] in caplog.text
        assert "99" not in error["message"].replace(error["extensions"]["faultId"], "")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "BAD_REQUEST"),
        ("subscription { nothing }", "BAD_REQUEST"),
        ("subscription { a: myESIMsUpdated { id } b: myESIMsUpdated { id } }", "BAD_REQUEST"),
        ("{ " + "a { " * 20 + "b" + " }" * 21, "TOO_COMPLEX"),
        (
            "subscription { myESIMsUpdated { "
            + "order { esims { " * 6
            + "id"
            + " } }" * 6
            + " } }",
            "TOO_COMPLEX",
        ),
    ],
)
async def test_a_refused_document_ends_only_its_operation(
    ann: Client, query: str, code: str
) -> None:
    async with connected(ann) as socket:
        await socket.subscribe(query)
        assert (await socket.error())["extensions"]["code"] == code
        await socket.subscribe("{ __typename }")
        assert await socket.data() == {"__typename": "Query"}
        assert (await socket.receive())["type"] == "complete"


async def test_mutations_are_executed_over_a_socket(ann: Client) -> None:
    async with connected(ann) as socket:
        query = 'mutation { suspendESIM(esimId: "1") { success esim { status } } }'
        await socket.subscribe(query)
        assert (await socket.data())["suspendESIM"]["esim"] == {"status": "SUSPENDED"}


SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOW, "variables": {"id": "1"}}}


async def test_the_operations_of_a_connection_are_limited(ann: Client, changes: Changes) -> None:
    async with connected(ann) as socket:
        for _ in range(MAX_OPERATIONS):
            await socket.subscribe(FOLLOW, id=ORDER_ID)
        for _ in range(MAX_OPERATIONS):
            await socket.data()
        await socket.subscribe(FOLLOW, id=ORDER_ID)
        assert (await socket.error())["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        await socket.send(id="1", type="complete")
        await changes.until_open(MAX_OPERATIONS - 1)
        await socket.subscribe(FOLLOW, id=ORDER_ID)
        await socket.data()
    await changes.until_open(0)


async def test_the_number_of_connections_is_limited(gateway: Gateway, ann: Client) -> None:
    async with (
        gateway.another(ann, sockets=SocketSettings(max_open=1)) as client,
        opened(client) as socket,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            async with opened(client):
                pass
        assert raised.value.status == 503
        await socket.send(type="ping")
        assert await socket.receive() == {"type": "pong"}


async def test_connections_without_connection_init_are_closed_and_free_their_slot(
    gateway: Gateway, ann: Client
) -> None:
    async with gateway.another(ann, sockets=SocketSettings(max_open=1, init_seconds=0.1)) as client:
        for _ in range(2):
            async with opened(client) as socket:
                assert await socket.closed() == (4408, "Connection initialisation timeout")


async def test_a_stop_closes_connections_with_1001_and_does_not_wait_for_them(
    gateway: Gateway, ann: Client, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seconds that requests in flight get: more than the test waits.
    monkeypatch.setattr(gateway_process, "SHUTDOWN_TIMEOUT", 10 * PATIENCE)
    async with asyncio.timeout(PATIENCE), gateway.another(ann) as client:
        socket = await client.http.ws_connect(
            f"{client.url}/graphql",
            protocols=["graphql-transport-ws"],
            headers={"Authorization": f"Bearer {ann.token}"},
        )
        await socket.send_json({"type": "connection_init"})
        await socket.receive_json()
        await socket.send_json(SUBSCRIBE)
        assert (await socket.receive_json())["type"] == "next"
        closed = asyncio.create_task(socket.receive())
    message = await closed
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
    assert message.extra == "The gateway is shutting down; reconnect"
    await changes.until_open(0)
