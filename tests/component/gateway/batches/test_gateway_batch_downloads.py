"""Downloads of a batch: every format, to the end of the last page, and what is sent if something fails."""

import asyncio
import csv
import io
import logging
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import pypdfium2
import pytest
from PIL import Image

from gateway.sheets.esims import HEADER
from kit.errors import Failure, Kind
from protos.orders.v1 import batches_pb2 as pb
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.programs.processes import children, peak_of
from tests.fixtures.qr_codes import decoded

BATCH = str(uuid4())
PLAN = str(uuid4())
NAMES = ("Jürgen Müller", "山田太郎", "محمد بن سلمان", '=HYPERLINK("http://evil.example","x")')


def esim(number: int) -> pb.BatchESIM:
    return pb.BatchESIM(
        position=number,
        number=1,
        iccid=f"894400000000000{number:04d}",
        matching_id=f"K2-7Q4WZB-9MRT{number:04d}",
        smdp_address="rsp-0026.example.com",
        traveler=pb.BatchTraveler(name=NAMES[number % len(NAMES)], email=f"t{number}@x.example"),
        reference="Trip 7",
        plan_id=PLAN,
        plan_title="Europe, 5 GB, 30 days",
    )


def code(number: int) -> str:
    one = esim(number)
    return f"LPA:1${one.smdp_address}${one.matching_id}"


def delivered(total: int, page_size: int = 500, fails_at: int | None = None) -> Any:
    """Answer page by page, as the orders service does."""

    def answer(request: pb.ListBatchESIMsRequest) -> pb.ListBatchESIMsResponse:
        assert request.batch_id == BATCH
        assert request.page_size == 500
        start = int(request.page_token or 0)
        if fails_at is not None and start >= fails_at:
            raise Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "Try again")
        end = min(total, start + page_size)
        return pb.ListBatchESIMsResponse(
            esims=map(esim, range(start + 1, end + 1)),
            next_page_token=str(end) if end < total else "",
        )

    return answer


@asynccontextmanager
async def getting(client: Client, kind: str, query: str = "") -> AsyncIterator[Any]:
    url = f"{client.url}/batches/{BATCH}/esims.{kind}{query}"
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    async with client.http.get(url, headers=headers) as answer:
        yield answer


async def got(client: Client, kind: str, query: str = "") -> bytes:
    async with getting(client, kind, query) as answer:
        assert answer.status == 200, await answer.text()
        body: bytes = await answer.read()
        return body


@pytest.mark.parametrize(
    ("kind", "type_"),
    [("csv", "text/csv; charset=utf-8"), ("zip", "application/zip"), ("pdf", "application/pdf")],
)
async def test_a_download_is_a_file_that_is_never_cached(
    gateway: Gateway, ann: Client, kind: str, type_: str
) -> None:
    gateway.batches.answers["ListBatchESIMs"] = delivered(2)
    async with getting(ann, kind) as answer:
        assert answer.headers["Content-Type"] == type_
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        name = f'attachment; filename="esims-{BATCH}.{kind}"'
        assert answer.headers["Content-Disposition"] == name


async def test_a_sheet_has_every_esim_of_all_pages(gateway: Gateway, ann: Client) -> None:
    gateway.batches.answers["ListBatchESIMs"] = delivered(1_001)
    text = (await got(ann, "csv")).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == HEADER
    assert [row[0] for row in rows] == [str(n) for n in range(1, 1_002)]
    assert [row[-1] for row in rows] == [code(n) for n in range(1, 1_002)]
    assert {row[2] for row in rows} == {*NAMES[:3], f"'{NAMES[3]}"}
    assert gateway.batches.calls["ListBatchESIMs"] == 3
    marked = await got(ann, "csv", "?bom=true")
    assert marked == b"\xef\xbb\xbf" + text.encode()


async def test_every_code_of_the_archive_is_read_back(gateway: Gateway, ann: Client) -> None:
    gateway.batches.answers["ListBatchESIMs"] = delivered(60, page_size=50)
    with zipfile.ZipFile(io.BytesIO(await got(ann, "zip"))) as found:
        assert found.testzip() is None
        pictures = [name for name in found.namelist() if name.endswith(".png")]
        assert len(pictures) == 60
        for number in range(1, 61):
            name = f"{number:04d}-{esim(number).iccid}.png"
            assert decoded(Image.open(io.BytesIO(found.read(name)))) == code(number)
        assert found.read("esims.csv").decode("utf-8-sig").count("\r\n") == 61


async def test_every_code_of_the_pages_is_read_back(gateway: Gateway, ann: Client) -> None:
    gateway.batches.answers["ListBatchESIMs"] = delivered(12, page_size=5)
    document = pypdfium2.PdfDocument(await got(ann, "pdf"))
    assert len(document) == 12
    for number, page in enumerate(document, 1):
        assert decoded(page.render(scale=2).to_pil()) == code(number)


async def test_the_support_address_of_the_settings_is_printed(
    gateway: Gateway, ann: Client
) -> None:
    gateway.batches.answers["ListBatchESIMs"] = delivered(1)
    async with gateway.another(ann, support_address="help@shop.example") as client:
        (page,) = pypdfium2.PdfDocument(await got(client, "pdf"))
    assert "help@shop.example" in page.get_textpage().get_text_range()


@pytest.mark.parametrize("kind", ["csv", "zip", "pdf"])
@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Failure(Kind.NOT_FOUND, "BATCH_NOT_FOUND", "No such batch"), 404),
        (Failure(Kind.FORBIDDEN, "MEMBER_ROLE_INSUFFICIENT", "Not allowed"), 403),
        (Failure(Kind.UNAVAILABLE, "DATABASE_UNAVAILABLE", "Try again"), 503),
    ],
)
async def test_refusals_of_the_orders_service_are_errors(
    gateway: Gateway, ann: Client, kind: str, failure: Failure, status: int
) -> None:
    gateway.batches.answers["ListBatchESIMs"] = failure
    async with getting(ann, kind) as answer:
        assert answer.status == status
        assert answer.headers["Cache-Control"] == "no-store"
        (error,) = (await answer.json())["errors"]
        assert error["extensions"]["reason"] == failure.reason


async def test_what_can_not_be_downloaded(gateway: Gateway, ann: Client, client: Client) -> None:
    async with getting(client, "csv") as answer:
        assert answer.status == 401
    async with getting(client.signed_in("wrong"), "zip") as answer:
        assert answer.status == 401
    assert not gateway.batches.requests
    gateway.batches.answers["ListBatchESIMs"] = pb.ListBatchESIMsResponse()
    async with getting(ann, "pdf") as answer:
        assert answer.status == 422
        assert (await answer.json())["errors"][0]["extensions"]["reason"] == "NOTHING_DELIVERED"
    headers = {"Authorization": f"Bearer {ann.token}"}
    url = f"{ann.url}/batches/not-an-id/esims.csv"
    async with ann.http.get(url, headers=headers) as answer:
        assert answer.status == 404
    async with getting(ann, "xlsx") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("kind", ["csv", "zip"])
async def test_a_file_that_breaks_off_is_not_taken_for_a_whole_one(
    gateway: Gateway, ann: Client, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.batches.answers["ListBatchESIMs"] = delivered(1_000, fails_at=500)
    async with getting(ann, kind) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
    assert "a download was broken off: DATABASE_UNAVAILABLE" in caplog.text
    gateway.batches.answers["ListBatchESIMs"] = delivered(1)
    assert await got(ann, kind)


async def test_a_failure_before_the_pages_are_sent_is_an_error(
    gateway: Gateway, ann: Client
) -> None:
    gateway.batches.answers["ListBatchESIMs"] = delivered(20, page_size=10, fails_at=10)
    async with getting(ann, "pdf") as answer:
        assert answer.status == 503


async def test_a_user_has_one_download_at_a_time(
    gateway: Gateway, ann: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    going_on = asyncio.Event()

    async def later(request: pb.ListBatchESIMsRequest) -> pb.ListBatchESIMsResponse:
        if request.page_token:
            await going_on.wait()
        page: pb.ListBatchESIMsResponse = delivered(501)(request)
        return page

    gateway.batches.answers["ListBatchESIMs"] = later
    async with getting(ann, "csv") as running:
        async with getting(ann, "csv") as second:
            assert second.status == 429
            assert second.headers["Retry-After"] == "5"
        going_on.set()
        assert (await running.read()).count(b"\r\n") == 502
    assert (await got(ann, "csv")).count(b"\r\n") == 502
    assert code(1) not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "zip", "pdf"])
async def test_memory_of_the_gateway_is_bounded(gateway: Gateway, ann: Client, kind: str) -> None:
    """2,000 eSIMs have QR codes of 900 kB, and pages of 6 MB, which pass through the gateway in pieces."""
    gateway.batches.answers["ListBatchESIMs"] = delivered(2_000)
    tracemalloc.start()
    try:
        received = 0
        async with getting(ann, kind) as answer:
            if kind == "pdf":  # complete, and about to be written
                assert max(map(peak_of, children())) < 200_000_000
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            async for piece in answer.content.iter_any():
                received += len(piece)
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received > 300_000
    assert peak - before < 4_000_000
