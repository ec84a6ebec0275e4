"""Budgets and purchases of organizations over GraphQL, with all real services."""

from typing import Any

import grpc
import pytest

from services.orders.organizations.membership import Billing
from services.orders.organizations.messages import BILLINGS
from tests.fixtures.organizations import create_organization
from tests.fixtures.platform import Platform

# The budget is that of this month.
pytestmark = pytest.mark.usefixtures("one_day")
SET = """mutation($input: BudgetInput!) { setBudget(input: $input) { success error code budget {
    id organizationId scope groupId userId period amount warnPercent spent reserved left currency
    startsOn endsOn warned } } }"""
DELETE = "mutation($id: ID!) { deleteBudget(id: $id) { success code budget { id spent } } }"
LIST = "query($id: ID!) { budgets(organizationId: $id) { id spent reserved left warned } }"
PLAN = '{ dataPlans(filter: { country: "FR" }) { id priceExact currency } }'
BUY = """mutation($plan: ID!, $input: PurchaseInput) { purchaseESIM(planId: $plan, input: $input) {
    success code error order { id organizationId groupId totalPriceExact } } }"""
ORDERS = """query($id: ID!, $group: ID) { organizationOrders(organizationId: $id, groupId: $group) {
    edges { node { id organizationId } } totalCount } }"""
MINE = "{ myOrders { id } }"
WALLET = "query($id: ID!) { wallets(organizationId: $id) { available currency organizationId } }"
CORRECT = """mutation($id: ID, $input: WalletCorrectionInput!) {
    correctWallet(organizationId: $id, input: $input) { success code wallet { availableExact } } }"""


async def test_a_company_buys_within_its_budget(platform: Platform) -> None:
    async with grpc.aio.insecure_channel(platform.orders_address) as channel:
        acme = await create_organization(
            platform.auth, channel, currency="USD", billing=BILLINGS[Billing.PREPAID]
        )
        owner, buyer, traveler = (
            platform.client.signed_in(member.token)
            for member in (acme.owner, acme.buyer, acme.traveler)
        )
        finance = platform.client.signed_in(
            await platform.auth.token("money@example.com", role="finance")
        )
        wanted: dict[str, Any] = {
            "organizationId": acme.id,
            "scope": "ORGANIZATION",
            "period": "MONTH",
        }
        limit = {"amount": "500", "currency": "USD", "warnPercent": 50}
        made = (await owner.ask(SET, input=wanted | limit)).data["setBudget"]
        budget = made["budget"]
        assert budget | {"id": "", "startsOn": "", "endsOn": ""} == {
            "id": "",
            "organizationId": acme.id,
            "scope": "ORGANIZATION",
            "groupId": None,
            "userId": None,
            "period": "MONTH",
            "amount": "500",
            "warnPercent": 50,
            "spent": "0",
            "reserved": "0",
            "left": "500",
            "currency": "USD",
            "startsOn": "",
            "endsOn": "",
            "warned": False,
        }
        transfer = {
            "amount": "9000",
            "currency": "USD",
            "note": "transfer",
            "idempotencyKey": "t",
            "received": True,
        }
        credited = (await finance.ask(CORRECT, id=acme.id, input=transfer)).data["correctWallet"]
        assert credited == {"success": True, "code": None, "wallet": {"availableExact": "9000"}}
        plan = max((await buyer.ask(PLAN)).data["dataPlans"], key=lambda p: float(p["priceExact"]))

        async def buy(client: Any, **options: Any) -> Any:
            found = await client.ask(
                BUY, plan=plan["id"], input={"organizationId": acme.id} | options
            )
            return found.data["purchaseESIM"]

        bought = await buy(buyer, idempotencyKey="one")
        assert bought["success"], bought
        assert (bought["order"]["organizationId"], bought["order"]["groupId"]) == (acme.id, None)
        many = await buy(buyer, idempotencyKey="many", quantity=10)
        assert many["code"] == "BUDGET_EXCEEDED"
        assert many["error"].endswith("ask an owner or manager to raise it")
        assert (await buy(traveler, idempotencyKey="one"))["code"] == "MEMBER_ROLE_INSUFFICIENT"
        await platform.completed(buyer, bought["order"]["id"])

        [now] = (await buyer.ask(LIST, id=acme.id)).data["budgets"]
        assert now["spent"] == bought["order"]["totalPriceExact"]
        page = (await owner.ask(ORDERS, id=acme.id)).data["organizationOrders"]
        assert page == {
            "edges": [{"node": {"id": bought["order"]["id"], "organizationId": acme.id}}],
            "totalCount": 1,
        }
        assert (await buyer.ask(MINE)).data["myOrders"] == []
        [wallet] = (await owner.ask(WALLET, id=acme.id)).data["wallets"]
        assert wallet["organizationId"] == acme.id
        assert wallet["available"] == 9000 - float(now["spent"])

        low = wanted | {"amount": "0.01", "currency": "USD"}
        below = (await owner.ask(SET, input=low)).data["setBudget"]
        assert (below["success"], below["code"]) == (False, "BUDGET_BELOW_SPENT")
        bare = (await owner.ask(SET, input=wanted | {"amount": "5"})).data["setBudget"]
        assert bare["error"] == "input.currency: is required, because `amount` is set"
        zero = (await owner.ask(SET, input=wanted | {"warnPercent": 0})).data["setBudget"]
        assert zero["error"].startswith("input.warnPercent: must be an integer from 1 to 100")
        deleted = (await owner.ask(DELETE, id=budget["id"])).data["deleteBudget"]
        assert deleted["success"]
        again = (await owner.ask(DELETE, id=budget["id"])).data["deleteBudget"]
        assert again["code"] == "BUDGET_NOT_FOUND"


async def test_errors_for_people_outside_the_organization(platform: Platform) -> None:
    async with grpc.aio.insecure_channel(platform.orders_address) as channel:
        acme = await create_organization(platform.auth, channel, currency="USD")
        stranger = await platform.customer("stranger@example.com")
        for document in (LIST, ORDERS, WALLET):
            [error] = (await stranger.ask(document, id=acme.id)).body["errors"]
            assert error["extensions"]["code"] == "NOT_FOUND", document
        finance = platform.client.signed_in(acme.finance.token)
        [error] = (await finance.ask(ORDERS, id=acme.id)).body["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        [error] = (await finance.ask(ORDERS, id="acme")).body["errors"]
        assert "organizationId" in error["message"]
