"""Sheets through the whole platform: uploaded, bought as a batch, and downloaded with real eSIMs."""

import asyncio
import csv
import io
import logging
import zipfile
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

import aiohttp
import grpc
import pypdfium2
import pytest
from PIL import Image

from gateway.sheets.esims import HEADER
from gateway.sheets.formulas import neutralized
from kit.rpc import client as rpc_client
from kit.values import money
from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import batches_pb2_grpc, organizations_pb2, payments_pb2, payments_pb2_grpc
from services.orders.organizations.membership import MemberRole
from tests.fixtures.gateway import Client
from tests.fixtures.organizations import create_organization, service_key
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import BUNDLE, OpenPlatform, Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.qr_codes import decoded

ROWS = 1_000
# What Windows-1252 has, and what only Unicode has.
WESTERN = (
    "Jürgen Müßig",
    "Zoë Åström",
    "François Lévêque",
    "José Peña",
    "Søren Bjørn",
    "Šárka Nováková",
)
EASTERN = ("山田太郎", "王小明", "김철수", "محمد بن سلمان", "Łukasz Żółć", "Ναταλία", "אביגיל כהן")
FORMULA = '=HYPERLINK("http://evil.example","click")'


@pytest.fixture
async def bulk(databases: Databases, open_platform: OpenPlatform) -> AsyncIterator[Platform]:
    async with open_platform(databases, batch_pause=0.0) as running:
        yield running


def sheet(names: Sequence[str], rows: int) -> tuple[list[str], bytes]:
    """Return the name of each row's traveler, and a sheet with a delimiter and columns as in Europe."""
    given = [
        FORMULA if n % 50 == 7 else f"{names[n % len(names)]} {n:04d}" for n in range(1, rows + 1)
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(("Notiz", "E-Mail", "Bundle", "Traveler name", "Ref"))
    for n, name in enumerate(given, 1):
        writer.writerow(("x", f"t{n}@firm.example", BUNDLE, name, f"-{n}"))
    return given, text.getvalue().encode("utf-8")


async def uploaded(client: Client, data: bytes, **fields: str) -> Any:
    form = aiohttp.FormData()
    form.add_field("sheet", data, filename="sheet.csv", content_type="text/csv")
    for name, text in fields.items():
        form.add_field(name, text)
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.http.post(f"{client.url}/batches/csv", data=form, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def download(client: Client, batch_id: str, kind: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {client.token}"}
    url = f"{client.url}/batches/{batch_id}/esims.{kind}"
    async with client.http.get(url, headers=headers) as answer:
        return answer.status, await answer.read()


async def bought(platform: Platform, client: Client, validated: Any, **fields: Any) -> str:
    """Buy the rows of a validated sheet, and return the id of the batch once it is delivered."""
    items = [
        pb.BatchItemInput(
            plan_id=row["item"]["planId"],
            quantity=row["item"]["quantity"],
            traveler=pb.BatchTraveler(**row["item"]["traveler"]),
            reference=row["item"].get("reference", ""),
        )
        for row in validated["rows"]
    ]
    metadata = (("authorization", f"Bearer {client.token}"),)
    async with grpc.aio.insecure_channel(platform.orders_address) as channel:
        service = batches_pb2_grpc.BatchesServiceStub(channel)
        request = pb.CreateBatchRequest(
            batch=pb.BatchInput(items=items, **fields), idempotency_key=str(uuid4())
        )
        batch = (await service.CreateBatch(request, metadata=metadata, timeout=PATIENCE)).batch
        async with asyncio.timeout(PATIENCE * 3):
            watched = service.WatchBatch(pb.WatchBatchRequest(batch_id=batch.id), metadata=metadata)
            async for message in watched:
                batch = message.batch
        assert batch.status == pb.BATCH_STATUS_COMPLETED, batch
        return batch.id


def rows_of(data: bytes) -> list[dict[str, str]]:
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert tuple(header) == HEADER
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.slow
async def test_a_thousand_rows_in_windows_1252_go_in_and_come_out(bulk: Platform) -> None:
    ann = await bulk.customer("ann@example.com")
    names, data = sheet(WESTERN, ROWS)
    validated = await uploaded(ann, data.decode().encode("cp1252"))
    assert (validated["encoding"], validated["delimiter"]) == ("Windows-1252", ";")
    assert validated["ignoredColumns"] == ["Notiz"]
    assert validated["acceptable"]
    assert validated["esims"] == ROWS
    assert [row["line"] for row in validated["rows"]] == list(range(2, ROWS + 2))
    assert [row["item"]["traveler"]["name"] for row in validated["rows"]] == names
    batch_id = await bought(bulk, ann, validated)

    status, sent = await download(ann, batch_id, "csv")
    assert status == 200
    out = rows_of(sent)
    assert [int(row["position"]) for row in out] == list(range(1, ROWS + 1))
    assert [row["name"] for row in out] == [neutralized(name) for name in names]
    assert [row["reference"] for row in out] == [f"'-{n}" for n in range(1, ROWS + 1)]
    codes = {row["iccid"]: row["activation_code"] for row in out}
    assert len(codes) == len(set(codes.values())) == ROWS
    # What came out goes in again as it was.
    again = await uploaded(ann, sent)
    assert [row["item"] for row in again["rows"]] == [row["item"] for row in validated["rows"]]

    status, sent = await download(ann, batch_id, "zip")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(sent)) as archive:
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
        assert len(pictures) == ROWS
        for position, row in enumerate(out, 1):
            name = f"{position:04d}-{row['iccid']}.png"
            picture = Image.open(io.BytesIO(archive.read(name)))
            assert decoded(picture) == codes[row["iccid"]]
        assert rows_of(archive.read("esims.csv")) == out


async def test_names_in_any_script_reach_the_printed_pages(bulk: Platform) -> None:
    ann = await bulk.customer("ann@example.com")
    names, data = sheet(EASTERN, 30)
    validated = await uploaded(ann, data.decode().encode("utf-16"))
    assert validated["encoding"] == "UTF-16"
    assert [row["item"]["traveler"]["name"] for row in validated["rows"]] == names
    batch_id = await bought(bulk, ann, validated)
    _, sent = await download(ann, batch_id, "csv")
    out = rows_of(sent)
    assert [row["name"] for row in out] == [neutralized(name) for name in names]
    status, sent = await download(ann, batch_id, "pdf")
    assert status == 200
    document = pypdfium2.PdfDocument(sent)
    assert len(document) == 30
    for page, row in zip(document, out, strict=True):
        assert decoded(page.render(scale=2).to_pil()) == row["activation_code"]
        text = page.get_textpage().get_text_range()
        assert row["iccid"] in text
        assert row["plan_title"] in text


async def test_only_who_may_see_activation_codes_downloads_them(
    bulk: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    channel = rpc_client.channel(bulk.orders_address)
    async with channel:
        prepaid = organizations_pb2.BILLING_PREPAID
        acme = await create_organization(bulk.auth, channel, currency="USD", billing=prepaid)
        other = await create_organization(bulk.auth, channel, "Other")
        await payments_pb2_grpc.PaymentsServiceStub(channel).CorrectWallet(
            payments_pb2.CorrectWalletRequest(
                organization_id=acme.id,
                amount=money.to_proto(Decimal(1_000), "USD"),
                note="bank transfer 17",
                received=True,
                idempotency_key="deposit",
            ),
            metadata=service_key(bulk.auth),
            timeout=PATIENCE,
        )
    buyer = bulk.client.signed_in(acme.buyer.token)
    _, data = sheet(WESTERN, 2)
    validated = await uploaded(buyer, data, organizationId=acme.id)
    assert validated["acceptable"], validated
    batch_id = await bought(bulk, buyer, validated, organization_id=acme.id)
    expected = {
        MemberRole.OWNER: 200,
        MemberRole.MANAGER: 200,
        MemberRole.BUYER: 200,
        MemberRole.FINANCE: 404,
        MemberRole.TRAVELER: 404,
    }
    for role, status in expected.items():
        client = bulk.client.signed_in(acme.members[role].token)
        for kind in ("csv", "zip", "pdf"):
            caplog.clear()
            found, body = await download(client, batch_id, kind)
            assert found == status, (role, kind)
            logged = f"activation codes of batch {batch_id}: 2 read by"
            user = str(acme.members[role].user_id)
            assert (f"{logged} {user}" in caplog.text) == (status == 200)
            assert status == 200 or b"LPA:1$" not in body
    for token in (other.owner.token, await bulk.auth.token("ann@example.com")):
        assert (await download(bulk.client.signed_in(token), batch_id, "csv"))[0] == 404
    support = await bulk.auth.token("support@example.com", role="support")
    assert (await download(bulk.client.signed_in(support), batch_id, "csv"))[0] == 403
    for role in (MemberRole.FINANCE, MemberRole.TRAVELER):
        form = aiohttp.FormData()
        form.add_field("sheet", data, filename="sheet.csv", content_type="text/csv")
        form.add_field("organizationId", acme.id)
        url = f"{buyer.url}/batches/csv"
        headers = {"Authorization": f"Bearer {acme.members[role].token}"}
        async with buyer.http.post(url, data=form, headers=headers) as answer:
            assert answer.status == 403
