"""What the shop pays appears in nothing that the public, a customer or the support staff can read."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_list_type,
)

from gateway.schema.assembly import build
from tests.fixtures.gateway import Client
from tests.fixtures.paid import paid_settings
from tests.fixtures.payments import PaymentSandbox
from tests.fixtures.platform import BUNDLE, OpenPlatform, Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.prices.retail import COSTS, sell_at_retail

# Levels of fields below a query's own: an order's eSIM's bundle's plan.
DEPTH = 4
# Fields that call the provider for each row, or whose answers are pictures.
SLOW = frozenset({"cancellation", "qrCode", "networks"})

# The id of a row that does not exist.
NOTHING = "00000000-0000-4000-8000-000000000000"
DAYS = {"from": "2026-01-01", "to": "2026-12-31"}
# Queries about rows of organizations, of which the customers of these tests are no members.
OF_ORGANIZATIONS: dict[str, dict[str, Any]] = {
    "organization": {"id": NOTHING},
    "batch": {"id": NOTHING},
    "shareLinks": {"esimId": NOTHING},
    "statement": {"id": NOTHING},
    "statementLines": {"statementId": NOTHING},
    "validateBatch": {"input": {"items": [{"planId": NOTHING}]}},
    "salesReport": {"range": DAYS, "first": 3},
    "spendingReport": {"range": DAYS},
    "orderFunnel": {"range": DAYS},
    "cohorts": {"range": DAYS},
    "usageReport": {"range": DAYS, "first": 3},
    "organizationUsage": {"range": DAYS},
    "expiryReport": {"range": DAYS},
    "organizationExpiry": {"range": DAYS},
}
# Queries whose prices are requested in each currency.
PRICED = frozenset({"dataPlans", "featuredPlans", "plans"})
CURRENCIES = ("USD", "EUR", "JPY", "KWD")


def literal(value: Any) -> str:
    """Write a value as GraphQL does: the keys of objects have no quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)


class Everything:
    """Queries that select every field of a schema, each with the arguments that it requires."""

    def __init__(self, schema: GraphQLSchema, arguments: dict[str, dict[str, Any]]) -> None:
        self._schema = schema
        self._arguments = arguments

    def queries(self) -> Iterator[tuple[str, str]]:
        """Yield each query's name and its document."""
        query = self._schema.query_type
        assert query is not None
        for name, field in query.fields.items():
            if name.startswith("_"):
                continue
            yield name, f"{{ {name}{self._given(name, field)} {self._selection(field)} }}"

    def _given(self, name: str, field: GraphQLField) -> str:
        given = dict(self._arguments.get(name, {}))
        if is_list_type(field.type) or "first" in field.args:
            given.setdefault("first", 2)
        given.setdefault("organizationId", NOTHING)
        known = {key: value for key, value in given.items() if key in field.args}
        missing = [
            key
            for key, argument in field.args.items()
            if isinstance(argument.type, GraphQLNonNull)
            and key not in known
            and argument.default_value in (None, Ellipsis)
        ]
        assert not missing, f"the test has no value for {missing} of {name}"
        parts = [f"{key}: {literal(value)}" for key, value in known.items()]
        return f"({', '.join(parts)})" if parts else ""

    def _selection(self, field: GraphQLField, above: tuple[str, ...] = ()) -> str:
        """Return what to select of a field's type; `above` are the types that contain it."""
        found = get_named_type(field.type)
        if is_leaf_type(found) or isinstance(found, GraphQLEnumType):
            return ""
        assert isinstance(found, GraphQLObjectType | GraphQLInterfaceType)
        parts = ["__typename"]
        for name, inner in found.fields.items():
            kind = get_named_type(inner.type)
            repeated = kind.name in (*above, found.name) or len(above) == DEPTH
            if name in SLOW or (not is_leaf_type(kind) and repeated) or self._needs(inner):
                continue
            parts.append(f"{name} {self._selection(inner, (*above, found.name))}")
        return "{ " + " ".join(parts) + " }"

    def _needs(self, field: GraphQLField) -> bool:
        return any(isinstance(argument.type, GraphQLNonNull) for argument in field.args.values())


@pytest.fixture
async def shop(platform: Platform) -> Platform:
    await sell_at_retail(platform)
    return platform


async def everything(shop: Platform, customer: Client) -> Everything:
    """A customer's queries, about an order of theirs and its eSIM."""
    order = await shop.buy(customer)
    plans = await customer.ask("{ dataPlans(first: 1) { id } }")
    plan = plans.data["dataPlans"][0]["id"]
    schema = build(max_depth=20)._schema
    arguments: dict[str, dict[str, Any]] = {
        **OF_ORGANIZATIONS,
        "dataPlan": {"id": plan},
        "orderDetails": {"id": order["id"]},
        "esimDetails": {"id": order["esims"][0]["id"]},
        "quote": {"planId": plan, "quantity": 2, "organizationId": None},
        "walletBalance": {"currency": "USD"},
        "walletEntries": {"walletId": NOTHING},
        "topUp": {"id": NOTHING},
        "disputeEvidence": {"orderId": order["id"]},
        "checkCoupon": {"code": "WELCOME", "planId": plan},
        "explainPrice": {"planId": plan},
        "priceHistory": {"planId": plan},
        "previewPrices": {"rules": []},
    }
    return Everything(schema, arguments)


async def test_no_query_shows_a_cost(shop: Platform) -> None:
    customer = await shop.customer("ann@example.com")
    support = shop.client.signed_in(await shop.auth.token("sue@example.com", role="support"))
    found = await everything(shop, customer)
    answered = dict.fromkeys(("the public", "a customer", "the support staff"), 0)
    readers = zip(answered, (shop.client, customer, support), strict=True)
    for who, reader in readers:
        for name, document in found.queries():
            texts = [document]
            if name in PRICED:
                texts = [
                    document.replace("(first", f'(currency: "{c}", first', 1) for c in CURRENCIES
                ]
            answers = [await reader.ask(text) for text in texts]
            for answer in answers:
                assert not COSTS.search(json.dumps(answer.body)), (who, name, answer.body)
            answered[who] += not any(answer.body.get("errors") for answer in answers)
    # The other queries were refused, and the refusals show no cost.
    assert min(answered.values()) >= 7, answered
    assert answered["a customer"] >= 14, answered


UNSELLABLE = '{ planPrices(currency: "KWD", onlyUnsellable: true, first: 3) { nodes { planId } } }'
PLAN = 'query($id: ID!) { dataPlan(id: $id, currency: "KWD") { availableQuantity priceExact currency } }'


async def test_the_price_of_a_plan_that_can_not_be_sold_is_not_its_cost(shop: Platform) -> None:
    finance = shop.client.signed_in(await shop.auth.token("fay@example.com", role="finance"))
    plans = (await finance.ask(UNSELLABLE)).data["planPrices"]["nodes"]
    assert len(plans) == 3
    for plan in plans:
        shown = (await shop.client.ask(PLAN, id=plan["planId"])).data["dataPlan"]
        assert shown == {"availableQuantity": 0, "priceExact": "4.138", "currency": "KWD"}


async def test_the_finance_staff_sees_costs(shop: Platform) -> None:
    finance = shop.client.signed_in(await shop.auth.token("fay@example.com", role="finance"))
    answer = await finance.ask("{ planPrices(first: 2) { nodes { cost } } }")
    assert COSTS.search(json.dumps(answer.body)), answer.body


BUY = """mutation($id: ID!, $input: PurchaseInput) { purchaseESIM(planId: $id, input: $input) {
    success code error order { id statusReason } } }"""


@pytest.mark.parametrize("limit", [{}, {"maxPrice": 999.0}, {"maxPrice": 0.01}])
async def test_no_refusal_of_a_purchase_shows_a_cost(
    shop: Platform, limit: dict[str, float]
) -> None:
    customer = await shop.customer("ann@example.com")
    plans = await customer.ask(f'{{ dataPlans(filter: {{text: "{BUNDLE}"}}) {{ id name }} }}')
    plan = next(one["id"] for one in plans.data["dataPlans"] if one["name"] == BUNDLE)
    shop.provider.world.catalogue.reprice(BUNDLE, Decimal("900.137"))
    answer = await customer.ask(BUY, id=plan, input={**limit, "currency": "USD"})
    refused = answer.data["purchaseESIM"]
    assert not COSTS.search(json.dumps(answer.body)), answer.body
    if limit:
        assert (refused["success"], refused["code"]) == (False, "PRICE_CHANGED")


async def test_no_query_shows_what_a_payment_is_paid_with(
    databases: Databases, open_platform: OpenPlatform, payment_provider: PaymentSandbox
) -> None:
    async with open_platform(databases, **paid_settings(payment_provider)) as shop:
        await sell_at_retail(shop)
        ann = await shop.customer("ann@example.com")
        plans = await ann.ask(f'{{ dataPlans(filter: {{text: "{BUNDLE}"}}) {{ id name }} }}')
        plan = next(one["id"] for one in plans.data["dataPlans"] if one["name"] == BUNDLE)
        started = await ann.ask(
            """mutation($id: ID!) { purchaseESIM(planId: $id, input: {payment: {method: CARD,
                 returnUrl: "https://shop.example"}}) { order { id payment { id redirectUrl } } } }""",
            id=plan,
        )
        order = started.data["purchaseESIM"]["order"]
        page = order["payment"]["redirectUrl"]
        secrets = [page, page.rpartition("/")[2], "_secret_"]
        arguments: dict[str, dict[str, Any]] = {
            **OF_ORGANIZATIONS,
            "dataPlan": {"id": plan},
            "orderDetails": {"id": order["id"]},
            "esimDetails": {"id": NOTHING},
            "quote": {"planId": plan},
            "walletBalance": {"currency": "USD"},
            "walletEntries": {"walletId": NOTHING},
            "topUp": {"id": order["payment"]["id"]},  # not a top-up
            "disputeEvidence": {"orderId": order["id"]},
            "checkCoupon": {"code": "WELCOME", "planId": plan},
            "explainPrice": {"planId": plan},
            "priceHistory": {"planId": plan},
            "previewPrices": {"rules": []},
        }
        found = Everything(build(max_depth=20)._schema, arguments)
        shown = 0
        for role in (None, "support", "finance"):
            token = await shop.auth.token(f"{role}@example.com", role=role) if role else ann.token
            reader = shop.client.signed_in(str(token))
            for name, document in found.queries():
                answer = await reader.ask(document)
                text = json.dumps(answer.body)
                assert not [one for one in secrets if one in text], (role, name, answer.body)
                shown += order["payment"]["id"] in text
        assert shown >= 4  # orders of the customer; orders and payments of the staff
