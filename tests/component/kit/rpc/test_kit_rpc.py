"""What the gRPC server of every service does with a call: its session, deadline, errors and request id."""

from typing import Any

import grpc
import pytest

from kit.errors import Failure, Kind, invalid
from kit.logs import request_id
from kit.rpc import client as rpc_client
from kit.rpc import guard as rpc_guard
from kit.rpc.server import Running
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from tests.component.kit.rpc.probe import Probe
from tests.fixtures.patience import PATIENCE
from tests.fixtures.rpc.refusals import failure_of
from tests.fixtures.sandboxes import Auth


async def refused(method: Any, token: str | None, request: Any = None) -> Failure:
    with pytest.raises(Failure) as caught:
        await rpc_client.call(
            method, request or orders_pb2.GetOrderRequest(), token=token, timeout=PATIENCE
        )
    return caught.value


async def test_without_a_session_the_error_names_the_missing_credentials(
    stub: Any, probe: Probe
) -> None:
    failure = await refused(stub.GetOrder, None)
    assert failure.kind is Kind.UNAUTHENTICATED
    assert failure.message.startswith("Not authenticated")
    assert "authorization" in failure.message
    assert probe.roles == []


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
async def test_a_bad_token_is_refused_even_by_public_methods(
    stub: Any, probe: Probe, token: str
) -> None:
    failure = await refused(stub.ValidateOrder, token, orders_pb2.ValidateOrderRequest())
    assert failure.kind is Kind.UNAUTHENTICATED
    assert probe.roles == []


async def test_different_tokens_in_one_call_are_refused(
    stub: Any, probe: Probe, auth: Auth
) -> None:
    token = f"Bearer {await auth.token('customer@example.com')}"
    request = orders_pb2.GetOrderRequest()
    for values in ((token, "Bearer x"), ("Bearer x", token)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetOrder(request, metadata=[("authorization", value) for value in values])
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert probe.roles == []
    await stub.GetOrder(request, metadata=[("authorization", token)] * 2)
    assert len(probe.roles) == 1


async def test_each_role_can_call_only_its_methods(stub: Any, probe: Probe, auth: Auth) -> None:
    customer = await auth.token("customer@example.com")
    support, finance, admin = [
        await auth.token(f"{role}@example.com", role=role)
        for role in ("support", "finance", "admin")
    ]
    operators: set[str | None] = {admin, "service"}
    staff: set[str | None] = {support, finance, *operators}
    calls: dict[Any, tuple[Any, set[str | None]]] = {
        stub.ValidateOrder: (orders_pb2.ValidateOrderRequest(), {None, customer, *staff}),
        stub.GetOrder: (orders_pb2.GetOrderRequest(), {customer, *staff}),
        stub.BatchGetOrders: (orders_pb2.BatchGetOrdersRequest(), staff),
        stub.QuoteOrder: (orders_pb2.QuoteOrderRequest(), {finance, *operators}),
        stub.CancelOrder: (orders_pb2.CancelOrderRequest(), operators),
        stub.ListOrders: (orders_pb2.ListOrdersRequest(), {"service"}),
    }
    for method, (request, allowed) in calls.items():
        for who in (None, customer, *staff):
            token = auth.service_role_key if who == "service" else who
            if who in allowed:
                await rpc_client.call(method, request, token=token, timeout=PATIENCE)
            else:
                kind = (await refused(method, token, request)).kind
                assert kind is (Kind.FORBIDDEN if who else Kind.UNAUTHENTICATED)


async def test_a_failure_reaches_the_client_with_all_its_fields(
    stub: Any, probe: Probe, auth: Auth
) -> None:
    sent = Failure(
        Kind.REFUSED,
        "PLAN_UNAVAILABLE",
        "This plan is no longer sold",
        fields={"plan_id": "is withdrawn"},
        retry_after=1.5,
        details={"plan": "esim_1GB_7D_GB_V2"},
    )

    async def fail() -> None:
        raise sent

    probe.behaviour = fail
    failure = await refused(stub.GetOrder, auth.service_role_key)
    assert vars(failure) == vars(sent)


@pytest.mark.parametrize("rows", [180, 200, 300, 5_000])
@pytest.mark.parametrize(
    "text", ["must be a whole number from 1 to 100", "必须是一到一百之间的整数"]
)
async def test_a_failure_with_many_fields_reaches_any_client(
    stub: Any, running: Running, probe: Probe, auth: Auth, rows: int, text: str
) -> None:
    async def fail() -> None:
        raise invalid({f"items[{row}].quantity": text for row in range(rows)})

    probe.behaviour = fail
    failure = await refused(stub.GetOrder, auth.service_role_key)
    assert (failure.kind, failure.reason) == (Kind.INVALID, "INVALID_ARGUMENT")
    assert failure.omitted + len(failure.fields) == rows
    assert set(failure.fields.values()) == {text}
    # A client with gRPC's defaults accepts 8 KiB of metadata, and drops random responses above.
    metadata = (("authorization", f"Bearer {auth.service_role_key}"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        strict = orders_pb2_grpc.OrdersServiceStub(channel)
        for _ in range(20):
            call = strict.GetOrder(orders_pb2.GetOrderRequest(), metadata=metadata)
            assert vars(await failure_of(call)) == vars(failure)


async def test_an_unexpected_error_is_masked_and_logged_with_its_id(
    stub: Any, probe: Probe, auth: Auth, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise RuntimeError("password=hunter2")

    probe.behaviour = fail
    failure = await refused(stub.GetOrder, auth.service_role_key)
    assert failure.kind is Kind.INTERNAL
    assert "hunter2" not in str(vars(failure))
    assert failure.details["fault_id"] in failure.message
    assert failure.details["fault_id"] in caplog.text


async def test_undecodable_bytes_are_bad_input(channel: grpc.aio.Channel, auth: Auth) -> None:
    method: Any = channel.unary_unary("/orders.v1.OrdersService/GetOrder")
    failure = await refused(method, auth.service_role_key, b"\xff\xff\xff")
    assert (failure.kind, failure.reason) == (Kind.INVALID, "UNDECODABLE_REQUEST")


async def test_the_handler_knows_the_clients_deadline(stub: Any, probe: Probe, auth: Auth) -> None:
    await rpc_client.call(
        stub.GetOrder, orders_pb2.GetOrderRequest(), token=auth.service_role_key, timeout=PATIENCE
    )
    assert probe.left is not None
    # gRPC rounds a deadline up slightly; without one it would be at most DEFAULT_DEADLINE.
    assert rpc_guard.DEFAULT_DEADLINE < probe.left < PATIENCE + 0.5


async def test_a_call_without_a_deadline_gets_the_default(
    stub: Any, probe: Probe, auth: Auth
) -> None:
    metadata = (("authorization", f"Bearer {auth.service_role_key}"),)
    await stub.GetOrder(orders_pb2.GetOrderRequest(), metadata=metadata)
    assert probe.left is not None
    assert 0 < probe.left <= rpc_guard.DEFAULT_DEADLINE


@pytest.mark.parametrize(("sent", "there"), [("r-1", "r-1"), ("two\nlines", ""), ("", "")])
async def test_a_call_carries_the_request_id(
    stub: Any, probe: Probe, auth: Auth, sent: str, there: str
) -> None:
    request_id.adopt(sent)
    await rpc_client.call(
        stub.ValidateOrder, orders_pb2.ValidateOrderRequest(), token=None, timeout=PATIENCE
    )
    assert probe.request_ids == [there]


async def test_a_malformed_request_id_is_ignored(stub: Any, probe: Probe) -> None:
    await stub.ValidateOrder(
        orders_pb2.ValidateOrderRequest(), metadata=(("x-request-id", "a b"),), timeout=PATIENCE
    )
    assert probe.request_ids == [""]
