"""Exports over HTTP and by links, with all real services: who gets which rows, and no secret in any."""

import csv
import io
from collections import defaultdict
from decimal import Decimal
from typing import Any

import duckdb
import grpc
from pyarrow import parquet

from gateway.sheets.exports.kinds import KINDS
from kit.values import money
from services.orders.organizations.membership import Billing, MemberRole
from services.orders.organizations.messages import BILLINGS
from tests.component.gateway.exports.exporting import got, refused
from tests.fixtures.days import days
from tests.fixtures.gateway import Client
from tests.fixtures.organizations import create_organization
from tests.fixtures.two_customers import TwoCustomers

LINK = """mutation($kind: ExportKind!, $range: DateRange, $organization: ID) {
  createExportLink(kind: $kind, range: $range, organizationId: $organization) {
    success url error code } }"""

# Usage is summed in the background, so its rows would differ between two exports until then.
SUMMED = """
select not exists (
    select from (
        select xid, id, 'samples' as source from esims.usage_samples
        union all select xid, id, 'visits' from esims.visits
    ) r join esims.usage_watermarks w using (source) where (r.xid, r.id) > (w.xid, w.id)
)
"""


def path(kind: str, format_: str = "csv", **further: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in (days() | further).items())
    return f"/exports/{kind}.{format_}?{query}"


def rows(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode(), newline="")))


async def finance_of(shop: TwoCustomers) -> Client:
    token = await shop.platform.auth.token("fay@example.com", role="finance")
    return shop.platform.client.signed_in(token)


async def test_the_finance_staff_exports_everything(two_customers: TwoCustomers) -> None:
    finance = await finance_of(two_customers)
    found = {kind: rows(await got(finance, path(kind))) for kind in KINDS}
    orders = {str(user): order for user, order in two_customers.orders.items()}
    assert {row["customer_id"]: row["id"] for row in found["orders"]} == {
        user: order["id"] for user, order in orders.items()
    }
    esims = {esim["iccid"] for order in orders.values() for esim in order["esims"]}
    assert {row["iccid"] for row in found["esims"]} == esims
    assert {row["customer_id"] for row in found["customers"]} == set(orders)

    # What was sold is the same in every file.
    gross = sum(Decimal(row["total_price"]) for row in found["orders"])
    assert gross == sum(Decimal(row["gross"]) for row in found["sales"])
    assert gross == sum(Decimal(row["gross"]) for row in found["customers"])
    balances: dict[str, Decimal] = defaultdict(Decimal)
    for row in found["ledger"]:
        balances[row["transaction_id"]] += Decimal(row["amount"])
    assert balances
    assert not any(balances.values())


async def test_parquet_has_the_same_rows_as_csv(two_customers: TwoCustomers) -> None:
    await two_customers.databases.until(SUMMED)
    finance = await finance_of(two_customers)
    for kind, one in KINDS.items():
        text = rows(await got(finance, path(kind)))
        table = parquet.read_table(io.BytesIO(await got(finance, path(kind, "parquet"))))
        assert table.column_names == [column.name for column in one.columns]
        assert table.num_rows == len(text)
        column = one.columns[0].name
        assert [str(value) for value in table.column(column).to_pylist()] == [
            row[column] for row in text
        ]


async def test_no_export_has_a_secret(two_customers: TwoCustomers) -> None:
    finance = await finance_of(two_customers)
    secrets = [
        secret
        for order in two_customers.orders.values()
        for esim in order["esims"]
        for secret in (esim["activationCode"], *esim["activationCode"].split("$")[1:])
    ]
    for kind in KINDS:
        file = (await got(finance, path(kind))).decode()
        assert not [secret for secret in secrets if secret in file], kind
        assert "@example.com" not in file


async def test_duckdb_counts_what_the_sales_report_counts(
    two_customers: TwoCustomers, tmp_path: Any
) -> None:
    finance = await finance_of(two_customers)
    file = tmp_path / "sales.parquet"
    file.write_bytes(await got(finance, path("sales", "parquet")))
    query = """query($range: DateRange!) { salesReport(range: $range, interval: RANGE) {
        totals { figures { currency orders esims gross net cost margin } } } }"""
    answer = await finance.ask(query, range=days())
    (total,) = answer.data["salesReport"]["totals"]
    counted = duckdb.execute(
        """select currency, sum(orders), sum(esims), sum(gross),
                  sum(gross - tax - refunds - disputes), sum(cost),
                  sum(gross - tax - refunds - disputes - cost - fees)
           from read_parquet(?) group by all""",
        [str(file)],
    ).fetchall()
    ((currency, *figures),) = counted
    expected = total["figures"]
    assert currency == expected["currency"]
    names = ("orders", "esims", "gross", "net", "cost", "margin")
    assert [Decimal(value) for value in figures] == [Decimal(str(expected[n])) for n in names]


async def test_a_customer_exports_nothing(two_customers: TwoCustomers) -> None:
    ann = two_customers.clients[two_customers.ann]
    for client in (ann, await support_of(two_customers)):
        for kind in KINDS:
            status, error = await refused(client, path(kind))
            assert (status, error["extensions"]["code"]) == (403, "FORBIDDEN"), kind


async def support_of(shop: TwoCustomers) -> Client:
    token = await shop.platform.auth.token("sue@example.com", role="support")
    return shop.platform.client.signed_in(token)


async def test_members_export_what_their_organization_bought(two_customers: TwoCustomers) -> None:
    shop = two_customers.platform
    async with grpc.aio.insecure_channel(shop.orders_address) as channel:
        acme = await create_organization(
            shop.auth,
            channel,
            currency="USD",
            billing=BILLINGS[Billing.INVOICE],
            credit_limit=money.to_proto(Decimal(1000), "USD"),
            roles=(MemberRole.OWNER, MemberRole.FINANCE, MemberRole.BUYER),
        )
    owner = shop.client.signed_in(acme.owner.token)
    bought = await shop.buy(owner, organizationId=acme.id)
    for role in (MemberRole.OWNER, MemberRole.FINANCE):
        member = shop.client.signed_in(acme.members[role].token)
        (order,) = rows(await got(member, path("orders", organizationId=acme.id)))
        assert (order["id"], order["cost"], order["fees"]) == (bought["id"], "", "")
        (esim,) = rows(await got(member, path("esims", organizationId=acme.id)))
        assert esim["iccid"] == bought["esims"][0]["iccid"]
        assert rows(await got(member, path("usage", organizationId=acme.id))) == []
    buyer = shop.client.signed_in(acme.members[MemberRole.BUYER].token)
    stranger = two_customers.clients[two_customers.ann]
    for client in (buyer, stranger):
        for kind in ("orders", "esims", "usage"):
            status, _ = await refused(client, path(kind, organizationId=acme.id))
            assert status in (403, 404), kind


async def test_a_link_works_once_in_any_browser(two_customers: TwoCustomers) -> None:
    finance = await finance_of(two_customers)
    answer = await finance.ask(LINK, kind="LEDGER", range=days())
    made = answer.data["createExportLink"]
    assert made["success"], made
    address = str(made["url"]).removeprefix("http://localhost:4000")
    browser = two_customers.platform.client
    assert rows(await got(browser, address))
    status, error = await refused(browser, address)
    assert (status, error["extensions"]["reason"]) == (404, "EXPORT_LINK_NOT_FOUND")


async def test_who_may_not_export_creates_no_link(two_customers: TwoCustomers) -> None:
    shop, ann = two_customers.platform, two_customers.clients[two_customers.ann]
    answer = await ann.ask(LINK, kind="LEDGER", range=days())
    assert answer.data["createExportLink"]["code"] == "FORBIDDEN"
    async with grpc.aio.insecure_channel(shop.orders_address) as channel:
        acme = await create_organization(
            shop.auth, channel, currency="USD", roles=(MemberRole.OWNER,)
        )
    # An organization that she is no member of.
    answer = await ann.ask(LINK, kind="ORDERS", range=days(), organization=acme.id)
    assert answer.data["createExportLink"]["code"] == "ORGANIZATION_NOT_FOUND"
    owner = shop.client.signed_in(acme.owner.token)
    answer = await owner.ask(LINK, kind="ORDERS", range=days(), organization=acme.id)
    address = str(answer.data["createExportLink"]["url"]).removeprefix("http://localhost:4000")
    assert rows(await got(shop.client, address)) == []
