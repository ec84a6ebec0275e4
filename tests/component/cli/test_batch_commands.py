"""`esimgo batches` against the whole platform: from a sheet to printed pages."""

import json
import os
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pypdfium2
import pytest
import zxingcpp

from services.orders.organizations.membership import Billing
from services.orders.organizations.messages import BILLINGS
from tests.fixtures.answers.sheets import post
from tests.fixtures.gateway import Client
from tests.fixtures.local.command import esimgo
from tests.fixtures.organizations import create_organization
from tests.fixtures.patience import until
from tests.fixtures.platform import BUNDLE, OpenPlatform, Platform
from tests.fixtures.postgres import Databases

SHEET = f"bundle;name;email\n{BUNDLE};Jürgen Müller;j@x.example\n{BUNDLE};山田太郎;y@x.example\n"


@pytest.fixture
async def bulk(databases: Databases, open_platform: OpenPlatform) -> AsyncIterator[Platform]:
    async with open_platform(databases, batch_pause=0.0) as running:
        yield running


@pytest.fixture
async def ann(bulk: Platform) -> Client:
    return await bulk.customer("ann@example.com")


async def run(client: Client, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {"GATEWAY_URL": client.url, "ESIMGO_TOKEN": client.token or ""} | more
    return await esimgo("batches", *arguments, **environment)


async def printed(client: Client, *arguments: str) -> str:
    done = await run(client, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_from_a_sheet_to_printed_pages(ann: Client, tmp_path: Path) -> None:
    sheet = tmp_path / "travelers.csv"
    sheet.write_text(SHEET)
    assert "every row can be bought" in await printed(ann, "validate", str(sheet))
    batch = json.loads(await printed(ann, "create", str(sheet), "--json"))
    assert batch["name"] == "travelers.csv"
    again = json.loads(await printed(ann, "create", str(sheet), "--json"))
    assert again["id"] == batch["id"]  # the key is a digest of the sheet

    async def delivered() -> bool:
        return "2 of 2 delivered" in await printed(ann, "show", batch["id"])

    await until(delivered)
    target = tmp_path / "pages.pdf"
    assert "keep it secret" in await printed(
        ann, "download", batch["id"], "pdf", "--output", str(target)
    )
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    for page in pypdfium2.PdfDocument(target.read_bytes()):
        (found,) = zxingcpp.read_barcodes(page.render(scale=2).to_pil())
        assert found.text.startswith("LPA:1$")
    done = await run(ann, "download", batch["id"], "csv", "--output", str(target))
    assert done.returncode == 1
    assert "exists" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["pages.pdf", "travelers.csv"]  # noqa: PTH208 - no part


async def test_rows_with_faults_are_named_and_not_bought(ann: Client, tmp_path: Path) -> None:
    sheet = tmp_path / os.fsdecode(b"faults\x80.csv")  # not UTF-8
    sheet.write_text(f"{SHEET}no-such-bundle;Bob;b@x.example\n{BUNDLE};=1+1;j@x.example\n")
    done = await run(ann, "validate", str(sheet))
    assert done.returncode == 1
    assert "No plan has this id or bundle name" in done.stdout
    lines = [line.split()[0] for line in done.stdout.splitlines()]
    assert lines[:4] == ["line", "4", "5", "5"]
    assert "4 rows, 1 with errors; 3 eSIMs" in done.stdout
    done = await run(ann, "create", str(sheet))
    assert done.returncode == 1
    assert "nothing was bought" in done.stderr
    batch = json.loads(await printed(ann, "create", str(sheet), "--skip-invalid", "--json"))
    assert (batch["name"], batch["counts"]["items"]) == ("faults?.csv", 4)

    async def done_() -> bool:
        return "3 of 4 delivered" in await printed(ann, "show", batch["id"])

    await until(done_)


async def test_failures_are_one_line(ann: Client, tmp_path: Path) -> None:
    workbook = tmp_path / "sheet.xlsx"
    workbook.write_bytes(b"PK\x03\x04")
    sheet = tmp_path / "travelers.csv"
    sheet.write_text(SHEET)
    missing = "00000000-0000-4000-8000-000000000000"
    for arguments, more, said in (
        (("validate", str(workbook)), {}, "SHEET_UNREADABLE"),
        (("validate", str(sheet), "--organization", ""), {}, "organizationId: must not be empty"),
        (("show", missing), {}, "BATCH_NOT_FOUND"),
        (("download", missing, "zip", "--output", str(tmp_path / "a.zip")), {}, "BATCH_NOT_FOUND"),
        (("show", missing), {"ESIMGO_TOKEN": "wrong"}, "TOKEN_MALFORMED"),
        (("show", missing), {"GATEWAY_URL": "http://127.0.0.1:9"}, "set GATEWAY_URL"),
    ):
        done = await run(ann, *arguments, **more)
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = await run(ann, "show", missing, ESIMGO_TOKEN="")
    assert done.returncode == 2
    assert "ESIMGO_TOKEN" in done.stderr
    assert not (tmp_path / "a.zip").exists()
    assert (ann.token or "") not in done.stderr


async def test_a_buyer_whose_colleague_bought_the_sheet_buys_nothing(
    bulk: Platform, tmp_path: Path
) -> None:
    sheet = tmp_path / "travelers.csv"
    sheet.write_text(SHEET)
    async with grpc.aio.insecure_channel(bulk.orders_address) as channel:
        acme = await create_organization(
            bulk.auth, channel, currency="USD", billing=BILLINGS[Billing.PREPAID]
        )
    manager, buyer = (bulk.client.signed_in(member.token) for member in (acme.manager, acme.buyer))
    await printed(manager, "create", str(sheet), "--organization", acme.id)
    done = await run(buyer, "create", str(sheet), "--organization", acme.id)
    assert done.returncode == 1
    assert "Another member has bought this batch already" in done.stderr
    assert "[BATCH_EXISTS]" in done.stderr
    fields = {"organizationId": acme.id, "idempotencyKey": "k"}
    for client, status in ((manager, 200), (manager, 200), (buyer, 409)):
        assert (await post(client, SHEET, path="/batches", **fields)).status == status
