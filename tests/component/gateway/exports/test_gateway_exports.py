"""Exports at the gateway: whole files in both formats, refusals, and what is sent if something fails."""

import asyncio
import csv
import io
import sys
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from pyarrow import parquet

from kit.errors import Failure, Kind
from protos.esims.v1 import exports_pb2 as esims_pb
from protos.orders.v1 import exports_pb2 as pb
from tests.component.gateway.exports.exporting import (
    AS_OF,
    HEAD,
    MONTH,
    entries,
    getting,
    got,
    orders,
    refused,
)
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.programs.processes import children, peak_of
from tests.fixtures.sandboxes import Auth
from tests.unit.gateway.sheets.exports.rows import ICCID, esim

ACME = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
CSV, PARQUET = f"/exports/orders.csv?{MONTH}", f"/exports/orders.parquet?{MONTH}"


@pytest.mark.parametrize(
    ("path", "type_"),
    [(CSV, "text/csv; charset=utf-8"), (PARQUET, "application/vnd.apache.parquet")],
)
async def test_a_file_says_what_it_is_and_is_stored_by_no_proxy(
    gateway: Gateway, ann: Client, path: str, type_: str
) -> None:
    gateway.exports.answers["ExportOrders"] = orders(1)
    async with getting(ann, path) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == type_
        assert answer.headers["Cache-Control"] == "no-store"
        name = f"orders-2026-11-01-2026-11-30.{'csv' if path is CSV else 'parquet'}"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["Export-As-Of"] == f"{AS_OF:%Y-%m-%dT%H:%M:%S}.000000Z"
        assert answer.headers["Export-Time-Zone"] == "Europe/Berlin"
        assert answer.headers["Export-Complete"] == "true"


async def test_both_formats_have_every_row(gateway: Gateway, ann: Client) -> None:
    gateway.exports.answers["ExportOrders"] = orders(1_001)
    ids = [f"order-{number}" for number in range(1, 1_002)]
    text = (await got(ann, CSV)).decode()
    assert [row["id"] for row in csv.DictReader(io.StringIO(text, newline=""))] == ids
    table = parquet.read_table(io.BytesIO(await got(ann, PARQUET)))
    assert table.column("id").to_pylist() == ids
    marked = await got(ann, f"{CSV}&bom=1")
    assert marked == b"\xef\xbb\xbf" + text.encode()


async def test_the_service_gets_what_is_wanted_and_by_whom(gateway: Gateway, ann: Client) -> None:
    gateway.exports.answers["ExportOrders"] = orders(0)
    query = f"{MONTH}&timeZone=Asia/Kolkata&organizationId={ACME}"
    assert (await got(ann, f"/exports/orders.csv?{query}")).count(b"\r\n") == 1
    (request,) = gateway.exports.requests
    assert (request.range.from_day, request.range.to_day) == ("2026-11-01", "2026-11-30")
    assert (request.time_zone, request.organization_id) == ("Asia/Kolkata", ACME)
    assert await ann.ask("{ orderDetails(id: 7) { id } }")
    assert gateway.exports.callers == gateway.orders.callers
    # A slow download that makes the service close the connection breaks no other call.
    assert gateway.exports.connections[0] != gateway.orders.connections[0]


async def test_esims_come_from_their_own_service(gateway: Gateway, ann: Client) -> None:
    async def answer(request: Any) -> AsyncIterator[esims_pb.ExportESIMsResponse]:
        assert not request.HasField("range")
        yield esims_pb.ExportESIMsResponse(head=HEAD, rows=[esim()])

    gateway.esims_exports.answers["ExportESIMs"] = answer
    assert ICCID.encode() in await got(ann, "/exports/esims.csv")


@pytest.mark.parametrize("path", [CSV, PARQUET])
@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Failure(Kind.FORBIDDEN, "FORBIDDEN", "Not allowed"), 403),
        (Failure(Kind.EXHAUSTED, "EXPORTS_BUSY", "Try again", retry_after=5), 429),
        (Failure(Kind.UNAVAILABLE, "REPORTS_DATABASE_UNAVAILABLE", "Try again"), 503),
    ],
)
async def test_refusals_of_the_service_are_errors(
    gateway: Gateway, ann: Client, path: str, failure: Failure, status: int
) -> None:
    gateway.exports.answers["ExportOrders"] = failure
    assert not children()
    found, error = await refused(ann, path)
    assert (found, error["extensions"]["reason"]) == (status, failure.reason)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/exports/orders.csv", 400, "from: must be a day such as 2026-11-01; to: must be a day"),
        (
            "/exports/orders.csv?from=2026-11-30&to=2026-11-01",
            400,
            "to: must not be before the first day",
        ),
        (f"{CSV}&timeZone=Europe/Berln", 400, "did you mean Europe/Berlin"),
        (f"{CSV}&organizationId=7", 400, "organizationId: must be a UUID"),
        (f"/exports/ledger.csv?{MONTH}&organizationId={ACME}", 400, "organizationId: ledger can't"),
        (f"{CSV}&bom=yes", 400, "bom: must be 1"),
        (f"{CSV}&bom=", 400, "bom: must be 1"),
        (f"{CSV}&form=1", 400, '"form": is not a parameter of exports; use from, to'),
        (f"{CSV}&from=2026-11-02", 400, "from: is given twice"),
        (f"/exports/orders.xlsx?{MONTH}", 404, "each as csv or parquet"),
        (f"/exports/order.csv?{MONTH}", 404, "there are orders, esims, sales"),
    ],
)
async def test_malformed_requests_are_refused_with_what_would_work(
    gateway: Gateway, ann: Client, path: str, status: int, text: str
) -> None:
    found, error = await refused(ann, path)
    assert found == status
    assert text in error["message"]
    assert not gateway.exports.requests


async def test_a_session_is_needed(gateway: Gateway, client: Client) -> None:
    assert (await refused(client, CSV))[0] == 401
    assert (await refused(client.signed_in("wrong"), CSV))[0] == 401
    assert not gateway.exports.requests


async def test_without_pyarrow_parquet_is_refused_and_csv_works(
    gateway: Gateway, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.exports.answers["ExportOrders"] = orders(1)
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    status, error = await refused(ann, PARQUET)
    assert (status, error["extensions"]["reason"]) == (400, "PARQUET_NOT_INSTALLED")
    assert "install the extra `parquet`" in error["message"]
    assert await got(ann, CSV)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_an_export_that_breaks_off_is_not_taken_for_a_whole_one(
    gateway: Gateway, ann: Client, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    failure = Failure(Kind.EXHAUSTED, "EXPORT_READ_TOO_SLOWLY", "Read faster")
    path = f"/exports/ledger.{kind}?{MONTH}"
    gateway.exports.answers["ExportLedger"] = entries(30_000, failure)
    async with getting(ann, path) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
    assert "a download was broken off: EXPORT_READ_TOO_SLOWLY" in caplog.text
    gateway.exports.answers["ExportLedger"] = entries(1)
    assert await got(ann, path)
    assert not children()


async def test_a_row_that_can_not_be_written_breaks_the_file_off(
    gateway: Gateway, ann: Client
) -> None:
    async def answer(request: Any) -> AsyncIterator[pb.ExportOrdersResponse]:
        yield pb.ExportOrdersResponse(head=HEAD)
        yield pb.ExportOrdersResponse(rows=[pb.OrderRow(created_day="no day")])

    gateway.exports.answers["ExportOrders"] = answer
    with pytest.raises(aiohttp.ClientError):
        await got(ann, CSV)


async def test_a_client_that_leaves_ends_the_export(gateway: Gateway, ann: Client) -> None:
    ended = asyncio.Event()

    async def answer(request: Any) -> AsyncIterator[pb.ExportOrdersResponse]:
        try:
            yield pb.ExportOrdersResponse(head=HEAD)
            while True:
                async for message in orders(2)(request):
                    yield message
        finally:
            ended.set()

    gateway.exports.answers["ExportOrders"] = answer
    async with getting(ann, CSV) as running:
        assert running.status == 200
    await ended.wait()
    gateway.exports.answers["ExportOrders"] = orders(1)
    while (await refused_or_none(ann)) == 429:
        await asyncio.sleep(0.05)


async def refused_or_none(client: Client) -> int:
    async with getting(client, CSV) as answer:
        return int(answer.status)


async def test_exports_at_the_same_time_are_limited(
    gateway: Gateway, ann: Client, auth: Auth
) -> None:
    going_on = asyncio.Event()

    async def answer(request: Any) -> AsyncIterator[pb.ExportOrdersResponse]:
        yield pb.ExportOrdersResponse(head=HEAD)
        await going_on.wait()

    gateway.exports.answers["ExportOrders"] = answer
    others = [ann.signed_in(await auth.token(f"u{n}@example.com")) for n in range(2)]
    running = [asyncio.create_task(got(one, CSV)) for one in others]
    while gateway.exports.calls["ExportOrders"] < 2:
        await asyncio.sleep(0.01)
    # The last place is for the staff.
    member = ann.signed_in(await auth.token("u2@example.com"))
    status, error = await refused(member, CSV)
    assert (status, error["extensions"]["reason"]) == (429, "TOO_MANY_EXPORTS")
    staff = ann.signed_in(await auth.token("staff@example.com", role="finance"))
    running.append(asyncio.create_task(got(staff, CSV)))
    while gateway.exports.calls["ExportOrders"] < 3:
        await asyncio.sleep(0.01)
    # The same user again, at once; another one after a while.
    status, error = await refused(others[0], CSV)
    assert (status, error["extensions"]["reason"]) == (429, "DOWNLOAD_RUNNING")
    status, error = await refused(ann, CSV)
    assert (status, error["extensions"]["reason"]) == (429, "TOO_MANY_EXPORTS")
    going_on.set()
    await asyncio.gather(*running)
    assert await got(ann, CSV)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
async def test_memory_does_not_grow_with_the_export(
    gateway: Gateway, ann: Client, kind: str
) -> None:
    """100,000 entries are some 8 MB of CSV, which pass through gateway and renderer in pieces."""
    gateway.exports.answers["ExportLedger"] = entries(100_000)
    tracemalloc.start()
    try:
        received = most = 0
        async with getting(ann, f"/exports/ledger.{kind}?{MONTH}") as answer:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            async for piece in answer.content.iter_any():
                received += len(piece)
                most = max(most, *map(peak_of, children()), 0)
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received > (8_000_000 if kind == "csv" else 500_000)
    assert peak - before < 20_000_000
    assert 0 < most < 250_000_000
