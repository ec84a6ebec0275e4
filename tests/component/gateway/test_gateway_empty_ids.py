"""An empty id is refused: its sender lost the id, and wants something else than a request without one."""

from typing import Any

import pytest

from tests.component.gateway.exports.exporting import MONTH, getting
from tests.fixtures.answers.sheets import SHEET, post
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ESIM_ID, PLAN

ACME = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
PURCHASE = f"""mutation($input: PurchaseInput) {{
  changed: purchaseESIM(planId: "{PLAN.id}", input: $input) {{ success code error }} }}"""
BATCH = """mutation($input: BatchInput!) {
  changed: createBatch(input: $input) { success code error } }"""
BUDGET = """mutation($input: BudgetInput!) {
  changed: setBudget(input: $input) { success code error } }"""
INVITATION = f"""mutation($input: InviteMemberInput!) {{
  changed: inviteMember(organizationId: "{ACME}", input: $input) {{ success code error }} }}"""
TRAVELER = f"""mutation($input: TravelerInput!) {{
  changed: assignESIM(esimId: "{ESIM_ID}", traveler: $input) {{ success code error }} }}"""
LINK = """mutation($input: ID) {
  changed: createExportLink(kind: ESIMS, organizationId: $input) { success code error } }"""
MEMBER = {"email": "bob@acme.example", "role": "BUYER"}
LIMIT = {"organizationId": ACME, "scope": "ORGANIZATION", "period": "MONTH"}


def rows(**row: Any) -> dict[str, Any]:
    return {"idempotencyKey": "k", "items": [{"planId": PLAN.id, **row}]}


@pytest.mark.parametrize(
    ("query", "given", "said"),
    [
        (
            PURCHASE,
            {"organizationId": ""},
            "input.organizationId: must not be empty; omit it to buy",
        ),
        (PURCHASE, {"organizationId": ACME, "groupId": ""}, "input.groupId: must not be empty"),
        (PURCHASE, {"esimId": ""}, "input.esimId: must not be empty; omit it to buy a new eSIM"),
        (BATCH, rows() | {"organizationId": ""}, "input.organizationId: must not be empty"),
        (BATCH, rows() | {"groupId": ""}, "input.groupId: must not be empty"),
        (BATCH, rows(esimId=""), "input.items[0].esimId: must not be empty"),
        (
            BATCH,
            rows(traveler={"name": "Ann", "userId": ""}),
            "input.items[0].traveler.userId: must not be empty",
        ),
        (BUDGET, LIMIT | {"groupId": ""}, "input.groupId: must not be empty"),
        (BUDGET, LIMIT | {"userId": ""}, "input.userId: must not be empty"),
        (INVITATION, MEMBER | {"groupId": ""}, "input.groupId: must not be empty"),
        (TRAVELER, {"name": "Ann", "userId": ""}, "traveler.userId: must not be empty"),
        (LINK, "", "organizationId: must not be empty"),
    ],
)
async def test_a_mutation_with_an_empty_id_is_refused(
    gateway: Gateway, ann: Client, query: str, given: Any, said: str
) -> None:
    answer = await ann.ask(query, input=given)
    changed = answer.data["changed"]
    assert (changed["success"], changed["code"]) == (False, "INVALID_ARGUMENT")
    assert changed["error"].startswith(said)
    for service in (gateway.orders, gateway.batches, gateway.export_links):
        assert not service.requests


async def test_a_wallet_without_an_owner_is_not_corrected(
    gateway: Gateway, finance: Client
) -> None:
    for given in ('customerId: ""', 'organizationId: ""'):
        query = """mutation { correctWallet(%s, input: {
            amount: "1", currency: "USD", note: "n", idempotencyKey: "k"}) { code error } }"""
        answer = await finance.ask(query % given)
        assert "must not be empty" in answer.data["correctWallet"]["error"]
    assert not gateway.payments.requests


async def test_a_rule_for_an_empty_price_list_is_not_one_for_all_lists(
    gateway: Gateway, finance: Client
) -> None:
    query = """mutation { setPriceRules(expectedVersion: 1, note: "n", priceLists: [], rules: [
        {name: "Summer", kind: MARKUP_PERCENT, value: "20", priceList: ""}]) { code error } }"""
    error = (await finance.ask(query)).data["setPriceRules"]["error"]
    assert error.startswith("rules[0].priceList: must not be empty; omit it for all lists")
    assert not gateway.prices.requests


async def test_lists_of_an_empty_organization_are_refused(gateway: Gateway, ann: Client) -> None:
    for field in ("batches", "travelers"):
        answer = await ann.ask(f'{{ {field}(organizationId: "") {{ nextCursor }} }}')
        assert answer.error["message"].startswith("organizationId: must not be empty; omit it")
    assert not gateway.batches.requests


async def test_a_quote_for_an_empty_organization_is_refused(gateway: Gateway, ann: Client) -> None:
    query = '{ quote(planId: "%s", organizationId: "") { totalExact } }'
    answer = await ann.ask(query % PLAN.id)
    message = "organizationId: must not be empty; omit it to buy for yourself"
    assert answer.error["message"] == message
    assert not gateway.orders.requests


@pytest.mark.parametrize("path", ["/batches", "/batches/csv"])
@pytest.mark.parametrize("field", ["organizationId", "groupId", "maxTotal"])
async def test_an_empty_field_of_a_form_is_refused(
    gateway: Gateway, ann: Client, path: str, field: str
) -> None:
    answer = await post(ann, SHEET, path=path, **{field: ""})
    assert answer.status == 400
    assert answer.error["message"] == f"{field}: must not be empty; leave out the field instead"
    assert not gateway.batches.requests


async def test_an_empty_parameter_of_an_export_is_refused(
    gateway: Gateway, finance: Client
) -> None:
    async with getting(finance, f"/exports/orders.csv?{MONTH}&organizationId=") as answer:
        assert answer.status == 400
        assert "organizationId: must not be empty" in await answer.text()
    assert not gateway.exports.requests
