"""Statements of an organization over GraphQL, as CSV and PDF, and by commands, with all real services."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import grpc
import pypdfium2
import pytest

from kit.values import currencies, money
from services.orders.organizations.membership import Billing
from services.orders.organizations.messages import BILLINGS
from services.orders.statements.issue import Statements
from services.orders.statements.metrics import StatementMetrics
from services.orders.statements.settings import StatementSettings
from tests.fixtures.gateway import Client
from tests.fixtures.local.command import esimgo, printed, read
from tests.fixtures.organizations import create_organization
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases

# The statement is that of this month.
pytestmark = pytest.mark.usefixtures("one_day")
PLAN = '{ dataPlans(filter: { country: "FR" }) { id title priceExact } }'
BUY = """mutation($plan: ID!, $input: PurchaseInput) { purchaseESIM(planId: $plan, input: $input) {
    success code error order { id payment { method status } } } }"""
ACCOUNT = """query($id: ID!) { creditAccount(organizationId: $id) {
    organizationId creditLimit reserved owed available unbilled currency } }"""
LIST = """query($id: ID) { statements(organizationId: $id) { nodes { id number status month total tax left
    currency dueOn issuer payableTo taxId lineCount downloads { csv pdf }
    settlements { kind number amount note actor } } nextCursor } }"""
LINES = """query($id: ID!) { statement(id: $id) { number } statementLines(statementId: $id) {
    nodes { position kind orderId description reference amount } nextCursor } }"""
PAY = """mutation($id: ID!, $input: StatementPaymentInput!) {
    recordStatementPayment(statementId: $id, input: $input) {
        success code error statement { left status } } }"""
CREDIT = """mutation($id: ID!, $input: StatementCreditInput!) {
    creditStatement(statementId: $id, input: $input) {
        success code error statement { left settlements { kind number amount } } } }"""
HOSTILE = '=HYPERLINK("http://evil";"x") 東京 Müller'
ISSUER = StatementSettings("Example GmbH\nHauptstr. 1", "IBAN DE02 1203 0000", due_days=14)


async def issue(databases: Databases) -> None:
    """Issue the statements of this month, as it will be done after its end."""
    async with databases.open("orders") as database:
        later = datetime.now(UTC).replace(day=1) + timedelta(days=32)
        assert await Statements(database, ISSUER, StatementMetrics(), now=lambda: later).round()


async def download(client: Client, path: str) -> tuple[int, bytes, Any]:
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    async with client.http.get(client.url + path, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def test_a_company_buys_on_account_and_pays_its_statement(
    platform: Platform, databases: Databases
) -> None:
    async with grpc.aio.insecure_channel(platform.orders_address) as channel:
        acme = await create_organization(
            platform.auth,
            channel,
            "Acme 東京",
            currency="USD",
            billing=BILLINGS[Billing.INVOICE],
            credit_limit=money.to_proto(Decimal(1000), "USD"),
            time_zone="Europe/Berlin",
            country="DE",
            tax_id="DE 136 695 976",
        )
    owner, buyer, finance = (
        platform.client.signed_in(member.token) for member in (acme.owner, acme.buyer, acme.finance)
    )
    token = await platform.auth.token("money@example.com", role="finance")
    staff = platform.client.signed_in(token)
    [plan, *_] = (await buyer.ask(PLAN)).data["dataPlans"]
    wanted = {"organizationId": acme.id, "customerReference": HOSTILE[:40]}
    bought = (await buyer.ask(BUY, plan=plan["id"], input=wanted)).data["purchaseESIM"]
    assert bought["success"], bought
    order = bought["order"]["id"]
    await databases.until(
        "select status = 'COMPLETED' from orders.esim_orders where id = $1::text::uuid", order
    )
    account = (await owner.ask(ACCOUNT, id=acme.id)).data["creditAccount"]
    price = f"{currencies.rounded(Decimal(plan['priceExact']), 'USD').normalize():f}"
    assert (account["owed"], account["unbilled"], account["creditLimit"]) == (price, price, "1000")
    refused = await buyer.ask(ACCOUNT, id=acme.id)
    assert refused.error["extensions"]["reason"] == "MEMBER_ROLE_INSUFFICIENT"

    await issue(databases)
    [statement] = (await finance.ask(LIST, id=acme.id)).data["statements"]["nodes"]
    assert (statement["number"], statement["total"], statement["left"]) == (
        "ST-000001",
        price,
        price,
    )
    assert (statement["status"], statement["taxId"]) == ("OPEN", "DE136695976")
    assert statement["issuer"] == "Example GmbH\nHauptstr. 1"
    lines = (await owner.ask(LINES, id=statement["id"])).data["statementLines"]["nodes"]
    assert [(one["orderId"], one["amount"]) for one in lines] == [(order, price)]
    assert lines[0]["reference"] == HOSTILE[:40]

    status, body, headers = await download(finance, statement["downloads"]["csv"])
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert 'filename="ST-000001.csv"' in headers["Content-Disposition"]
    [row] = csv.DictReader(io.StringIO(body.decode()))
    assert row["reference"] == f"'{HOSTILE[:40]}", "a spreadsheet must not run it"
    assert (row["amount"], row["currency"], row["order"]) == (price, "USD", order)
    status, body, headers = await download(owner, statement["downloads"]["pdf"])
    assert (status, headers["Content-Type"]) == (200, "application/pdf")
    text = pypdfium2.PdfDocument(body)[0].get_textpage().get_text_range()
    for part in ("Statement ST-000001", "Acme 東京", "DE136695976", "Example GmbH", "IBAN DE02"):
        assert part in text
    for client, expected in ((buyer, 403), (platform.client, 401)):
        for path in statement["downloads"].values():
            status, _, _ = await download(client, path)
            assert status == expected
    stranger = await platform.customer("stranger@example.com")
    for path in (*statement["downloads"].values(), "/statements/1.csv"):
        assert (await download(stranger, path))[0] == 404

    payment = {
        "amount": "1.00",
        "currency": "USD",
        "paidOn": datetime.now(UTC).date().isoformat(),
        "note": "bank",
        "idempotencyKey": "one",
    }
    denied = await owner.ask(PAY, id=statement["id"], input=payment)
    assert denied.code == "FORBIDDEN"
    paid = (await staff.ask(PAY, id=statement["id"], input=payment)).data["recordStatementPayment"]
    assert paid["success"], paid
    above = payment | {"amount": "9999", "idempotencyKey": "two"}
    answer = (await staff.ask(PAY, id=statement["id"], input=above)).data["recordStatementPayment"]
    assert (answer["success"], answer["code"]) == (False, "AMOUNT_ABOVE_DUE")
    wrong = await staff.ask(PAY, id=statement["id"], input=above | {"paidOn": "tomorrow"})
    assert "input.paidOn" in wrong.data["recordStatementPayment"]["error"]
    note = {"amount": "0.50", "currency": "USD", "note": "sorry", "idempotencyKey": "three"}
    credited = (await staff.ask(CREDIT, id=statement["id"], input=note)).data["creditStatement"]
    assert credited["statement"]["settlements"][1] == {
        "kind": "CREDIT_NOTE",
        "number": "CN-000001",
        "amount": "0.5",
    }
    path = f"/statements/{statement['id']}/credit-notes/CN-000001.pdf"
    status, body, _ = await download(finance, path)
    assert status == 200
    text = pypdfium2.PdfDocument(body)[0].get_textpage().get_text_range()
    for part in ("Credit note CN-000001", "ST-000001", "0.50 USD", "sorry", "Acme 東京"):
        assert part in text
    for client, path_, expected in (
        (buyer, path, 403),
        (finance, path.replace("000001.pdf", "000002.pdf"), 404),
        (finance, path.replace("CN-000001", ""), 404),
    ):
        assert (await download(client, path_))[0] == expected
    everything = (await staff.ask(LIST)).data["statements"]["nodes"]
    assert [one["id"] for one in everything] == [statement["id"]]
    await by_commands(platform, token, acme.id, statement["id"])


async def by_commands(platform: Platform, token: str, organization: str, statement: str) -> None:
    """Read and settle the statement by commands."""
    run = partial(
        esimgo,
        "organizations",
        SUPABASE_URL=platform.auth.url,
        SUPABASE_SERVICE_ROLE_KEY=platform.auth.service_role_key,
        ORDERS_ADDRESS=platform.orders_address,
        ESIMGO_TOKEN=token,
    )
    listed = await printed(run, "statements", organization)
    assert "ST-000001" in listed
    assert "credit limit 1000 USD" in listed
    assert "credit note" in await printed(run, "statement", statement)
    amount = (await read(run, "statement", statement))["statement"]["left"]["amount"]
    paid = await run("paid", statement, amount, "USD", "--note", "rest", "--yes", "--key", "k")
    assert (paid.returncode, "paid" in paid.stdout) == (0, True), paid.stderr
    again = await run("paid", statement, amount, "USD", "--note", "rest", "--yes", "--key", "k")
    assert again.returncode == 0
    more = await run("paid", statement, "1", "USD", "--yes")
    assert (more.returncode, "Nothing is left to pay" in more.stderr) == (1, True)
    wrong = await run("paid", statement, "1", "USD", "--yes", "--on", "tomorrow")
    assert "write it as 2026-11-30" in wrong.stderr
    credited = await run("credit", statement, "0.25", "USD", "--note", "again", "--yes")
    assert credited.returncode == 0, credited.stderr
    assert "CN-000002" in credited.stdout
    nothing = await run("bill", organization, "--yes")
    assert (nothing.returncode, "on a statement already" in nothing.stderr) == (1, True)
    unpaid = await run("statements", "--unpaid")
    assert unpaid.stdout == "no such statement\n"
