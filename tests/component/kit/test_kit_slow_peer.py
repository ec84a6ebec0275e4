"""Channels to slow peers."""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from kit.rpc import client as rpc_client
from tests.fixtures.patience import PATIENCE

# Seconds that a busy machine delays a new connection.
BUSY = 0.5


async def test_a_peer_that_is_slow_to_greet_is_reached() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    await server.start()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def greet_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(BUSY)
        from_peer, to_peer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            pass_on(reader, to_peer), pass_on(from_peer, writer), return_exceptions=True
        )

    async with await asyncio.start_server(greet_late, "127.0.0.1", 0) as relay:
        address = f"127.0.0.1:{relay.sockets[0].getsockname()[1]}"
        async with rpc_client.channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types lack the calls
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await server.stop(None)
