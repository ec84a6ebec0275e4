"""Exports as the orders service streams them, and requests for them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from kit.values import timestamps
from protos.common.v1 import exports_pb2
from protos.orders.v1 import exports_pb2 as pb
from tests.fixtures.gateway import Client
from tests.unit.gateway.sheets.exports.rows import entry, order

AS_OF = datetime(2026, 12, 1, 8, tzinfo=UTC)
HEAD = exports_pb2.ExportHead(
    as_of=timestamps.to_proto(AS_OF), time_zone="Europe/Berlin", complete=True
)
MONTH = "from=2026-11-01&to=2026-11-30"
Stream = Callable[[Any], AsyncIterator[Any]]


def orders(number: int) -> Stream:
    """Answer with orders, two in each message after the head."""

    async def answer(request: pb.ExportOrdersRequest) -> AsyncIterator[pb.ExportOrdersResponse]:
        yield pb.ExportOrdersResponse(head=HEAD)
        for begin in range(1, number + 1, 2):
            rows = map(order, range(begin, min(begin + 2, number + 1)))
            yield pb.ExportOrdersResponse(rows=rows)

    return answer


def entries(number: int, fails: BaseException | None = None) -> Stream:
    """Answer with entries of the ledger, 500 in each message, and then perhaps fail."""

    async def answer(request: pb.ExportLedgerRequest) -> AsyncIterator[pb.ExportLedgerResponse]:
        yield pb.ExportLedgerResponse(head=HEAD)
        for begin in range(0, number, 500):
            rows = map(entry, range(begin, min(begin + 500, number)))
            yield pb.ExportLedgerResponse(rows=rows)
        if fails is not None:
            raise fails

    return answer


@asynccontextmanager
async def getting(client: Client, path: str) -> AsyncIterator[Any]:
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    async with client.http.get(f"{client.url}{path}", headers=headers) as answer:
        yield answer


async def got(client: Client, path: str) -> bytes:
    async with getting(client, path) as answer:
        assert answer.status == 200, await answer.text()
        body: bytes = await answer.read()
        return body


async def refused(client: Client, path: str) -> tuple[int, Any]:
    """Return the status of a refusal, and its error."""
    async with getting(client, path) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        (error,) = (await answer.json())["errors"]
        return answer.status, error
