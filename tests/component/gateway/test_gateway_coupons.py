"""Coupons in GraphQL: what the service receives, what clients get, and how many codes they may try."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.defence_settings import COUPON_RATE, DefenceSettings
from gateway.documents.work_settings import UNLIMITED
from kit.errors import Failure, Kind, invalid
from kit.values import money
from protos.common.v1.money_pb2 import Money
from protos.orders.v1 import coupons_pb2 as pb
from protos.orders.v1 import orders_pb2
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.gateway_customer import ISO, MOMENT, PLAN, order
from tests.fixtures.sandboxes import Auth

TRIES = int(COUPON_RATE)
CHECK = """query($code: String!, $n: Int! = 1) { checkCoupon(code: $code, planId: "p", quantity: $n) {
    valid discount discountExact currency code error } }"""
BUY = """mutation($code: String) { purchaseESIM(planId: "p", input: {couponCode: $code}) {
    success code } }"""
QUOTE = 'query($code: String) { quote(planId: "p", couponCode: $code) { total } }'
FIELDS = """id code percent amount currency startsAt endsAt plans groups countries minimum maxUses
    maxUsesPerCustomer budget firstPurchaseOnly maxLoss disabled used reserved spent createdAt createdBy"""
CREATE = "mutation($input: CouponInput!) { createCoupon(input: $input) { success error code coupon { %s } } }"
WRONG = Failure(Kind.REFUSED, "COUPON_NOT_VALID", "unknown")
ID = "00000000-0000-4000-8000-000000000007"


def eur(amount: str) -> Money:
    return money.to_proto(Decimal(amount), "EUR")


COUPON = pb.Coupon(
    id=ID,
    code="SPRING",
    currency="EUR",
    amount=eur("5.5"),
    starts_at=MOMENT,
    plans=["esim_1GB_7D_FR_V2"],
    minimum=eur("20"),
    max_uses=10,
    budget=eur("50"),
    max_loss=eur("0"),
    used=3,
    reserved=1,
    spent=eur("16.5"),
    created_at=MOMENT,
    created_by="service",
)


async def test_anyone_checks_a_coupon_and_the_answer_is_not_cached(gateway: Gateway) -> None:
    gateway.coupons.answers["CheckCoupon"] = pb.CheckCouponResponse(valid=True, discount=eur("1.5"))
    async with gateway.another(response_cache_seconds=60) as client:
        for _ in range(2):
            answer = await client.ask(CHECK, code="spring", n=2)
            assert answer.data["checkCoupon"] == {
                "valid": True,
                "discount": 1.5,
                "discountExact": "1.5",
                "currency": "EUR",
                "code": None,
                "error": None,
            }
            assert "public" not in answer.headers.get("Cache-Control", "")
    assert gateway.coupons.calls["CheckCoupon"] == 2
    request = gateway.coupons.requests[0]
    assert (request.code, request.plan_id, request.quantity) == ("spring", "p", 2)
    gateway.coupons.answers["CheckCoupon"] = pb.CheckCouponResponse(
        code="COUPON_NOT_VALID", message="unknown"
    )
    found = (await gateway.client.ask(CHECK, code="x")).data["checkCoupon"]
    assert (found["valid"], found["discount"], found["code"]) == (False, None, "COUPON_NOT_VALID")
    assert found["error"] == "unknown"


@pytest.mark.usefixtures("no_refill")
async def test_an_address_checks_ten_codes_a_minute_whatever_the_operations(
    gateway: Gateway,
) -> None:
    gateway.coupons.answers["CheckCoupon"] = pb.CheckCouponResponse(code="COUPON_NOT_VALID")
    defence = DefenceSettings(user_rate=0, address_rate=0, work=UNLIMITED)
    async with gateway.another(defence=defence) as client:
        fields = " ".join(
            f'c{n}: checkCoupon(code: "{n}", planId: "p") {{ valid }}' for n in range(TRIES - 1)
        )
        assert len((await client.ask(f"{{ {fields} }}")).data) == TRIES - 1
        assert (await client.ask(CHECK, code="x")).data["checkCoupon"]
        refused = await client.ask(CHECK, code="x")
        assert refused.error["extensions"]["reason"] == "TOO_MANY_REQUESTS"
        assert refused.error["extensions"]["retryAfter"] == 60 / COUPON_RATE
        # Other operations go on.
        assert (await client.ask("{ __typename }")).data
    assert gateway.coupons.calls["CheckCoupon"] == TRIES
    async with gateway.another(defence=replace(defence, coupon_rate=0)) as client:
        for _ in range(2 * TRIES):
            assert (await client.ask(CHECK, code="x")).data["checkCoupon"]


@pytest.mark.usefixtures("no_refill")
async def test_a_user_tries_ten_unusable_codes_in_purchases_and_any_number_of_usable_ones(
    gateway: Gateway, ann: Client, auth: Auth
) -> None:
    bought = orders_pb2.CreateOrderResponse(order=order())
    gateway.orders.answers["CreateOrder"] = lambda request: _bought_with(request, bought)
    async with gateway.another(ann) as client:
        for code in (None, "", "GOOD"):
            for _ in range(2 * TRIES):
                assert (await client.ask(BUY, code=code)).data["purchaseESIM"]["success"]
        assert gateway.orders.requests[-1].coupon_code == "GOOD"
        # Quotes and purchases count together.
        gateway.orders.answers["QuoteOrder"] = WRONG
        for _ in range(TRIES // 2):
            refused = (await client.ask(BUY, code="WRONG")).data["purchaseESIM"]
            assert refused == {"success": False, "code": "COUPON_NOT_VALID"}
            quoted = await client.ask(QUOTE, code="WRONG")
            assert quoted.error["extensions"]["reason"] == "COUPON_NOT_VALID"
        calls = gateway.orders.calls["CreateOrder"]
        for query, code in ((BUY, "WRONG"), (BUY, "GOOD"), (QUOTE, "GOOD")):
            answer = await client.ask(query, code=code)
            assert answer.error["extensions"]["reason"] == "TOO_MANY_REQUESTS"
        assert gateway.orders.calls["CreateOrder"] == calls
        # Another user of this address, which costs nothing to create, has no tries of its own.
        other = client.signed_in(await auth.token("other@example.com"))
        refused = await other.ask(BUY, code="GOOD")
        assert refused.error["extensions"]["reason"] == "TOO_MANY_REQUESTS"
        # Purchases without a code are not concerned.
        for one in (client, other):
            assert (await one.ask(BUY, code=None)).data["purchaseESIM"]["success"]


def _bought_with(
    request: orders_pb2.CreateOrderRequest, bought: orders_pb2.CreateOrderResponse
) -> orders_pb2.CreateOrderResponse:
    if request.coupon_code == "WRONG":
        raise WRONG
    return bought


async def test_the_finance_staff_creates_a_coupon_with_all_fields(
    gateway: Gateway, finance: Client
) -> None:
    gateway.coupons.answers["CreateCoupon"] = pb.CreateCouponResponse(coupon=COUPON)
    given = {
        "code": "spring",
        "amount": "5.50",
        "currency": "EUR",
        "startsAt": ISO,
        "plans": ["esim_1GB_7D_FR_V2"],
        "groups": ["Standard Fixed"],
        "countries": ["FR"],
        "minimum": "20",
        "maxUses": 10,
        "maxUsesPerCustomer": 1,
        "budget": "50",
        "firstPurchaseOnly": True,
        "maxLoss": "0",
    }
    result = (await finance.ask(CREATE % FIELDS, input=given)).data["createCoupon"]
    assert result["success"]
    assert result["coupon"] == {
        "id": ID,
        "code": "SPRING",
        "percent": None,
        "amount": "5.5",
        "currency": "EUR",
        "startsAt": ISO,
        "endsAt": None,
        "plans": ["esim_1GB_7D_FR_V2"],
        "groups": [],
        "countries": [],
        "minimum": "20",
        "maxUses": 10,
        "maxUsesPerCustomer": None,
        "budget": "50",
        "firstPurchaseOnly": False,
        "maxLoss": "0",
        "disabled": False,
        "used": 3,
        "reserved": 1,
        "spent": "16.5",
        "createdAt": ISO,
        "createdBy": "service",
    }
    (request,) = gateway.coupons.requests
    sent = request.coupon
    assert (sent.code, sent.amount, sent.minimum) == ("spring", eur("5.5"), eur("20"))
    assert sent.currency == "EUR"
    assert (sent.max_uses, sent.max_uses_per_customer) == (10, 1)
    assert (sent.budget, sent.max_loss, sent.first_purchase_only) == (eur("50"), eur("0"), True)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount": "5"}, "input.amount: must not be set beside"),
        ({"minimum": "5"}, "input.currency: is required"),
        ({"currency": ""}, "input.currency: must not be empty; omit it for orders in any currency"),
        ({"minimum": "five", "currency": "EUR"}, "input.minimum: must be a decimal number"),
        ({"budget": "1e3", "currency": "EUR"}, "input.budget: must be a decimal number"),
        ({"maxUses": 0}, "input.maxUses: must be 1 or more"),
        ({"maxUsesPerCustomer": -1}, "input.maxUsesPerCustomer: must be 1 or more"),
    ],
)
async def test_bad_inputs_are_refused_before_the_service_is_called(
    gateway: Gateway, finance: Client, changes: dict[str, Any], error: str
) -> None:
    given = {"code": "spring", "percent": "10"} | changes
    result = (await finance.ask(CREATE % "id", input=given)).data["createCoupon"]
    assert (result["success"], result["code"]) == (False, "INVALID_ARGUMENT")
    assert result["error"].startswith(error)
    assert not gateway.coupons.requests


async def test_refusals_of_the_service_name_fields_of_the_input(
    gateway: Gateway, finance: Client
) -> None:
    gateway.coupons.answers["CreateCoupon"] = Failure(
        Kind.INVALID, "INVALID_ARGUMENT", "x", fields={"coupon.ends_at": "must be later"}
    )
    given = {"code": "spring", "percent": "10"}
    result = (await finance.ask(CREATE % "id", input=given)).data["createCoupon"]
    assert result["error"] == "input.endsAt: must be later"
    gateway.coupons.answers["DisableCoupon"] = Failure(Kind.NOT_FOUND, "COUPON_NOT_FOUND", "none")
    disable = 'mutation { disableCoupon(id: "x") { success code } }'
    result = (await finance.ask(disable)).data["disableCoupon"]
    assert result == {"success": False, "code": "COUPON_NOT_FOUND"}


async def test_the_first_of_many_wrong_fields_are_named_and_the_others_counted(
    gateway: Gateway, finance: Client
) -> None:
    gateway.coupons.answers["CreateCoupon"] = invalid(
        {f"coupon.countries[{n}]": "is unknown" for n in range(400)}
    )
    given = {"code": "spring", "percent": "10"}
    result = (await finance.ask(CREATE % "id", input=given)).data["createCoupon"]
    assert (result["success"], result["code"]) == (False, "INVALID_ARGUMENT")
    *named, more = result["error"].split("; ")
    assert named == [f"input.countries[{n}]: is unknown" for n in range(len(named))]
    assert 40 < len(named) < 400
    assert more == f"and {400 - len(named)} more"


async def test_coupons_are_listed_page_by_page(gateway: Gateway, finance: Client) -> None:
    gateway.coupons.answers["ListCoupons"] = pb.ListCouponsResponse(
        coupons=[COUPON], next_page_token="next"
    )
    query = (
        "query($after: String) { coupons(first: 1, after: $after) { nodes { code } nextCursor } }"
    )
    page = (await finance.ask(query)).data["coupons"]
    assert page == {"nodes": [{"code": "SPRING"}], "nextCursor": "next"}
    assert (await finance.ask(query, after="next")).data
    assert [request.page_token for request in gateway.coupons.requests] == ["", "next"]
    assert (await finance.ask("{ coupons(first: 0) { nextCursor } }")).code == "BAD_USER_INPUT"


async def test_customers_and_support_staff_manage_no_coupons(
    gateway: Gateway, ann: Client, auth: Auth
) -> None:
    support = gateway.client.signed_in(await auth.token("s@example.com", role="support"))
    for client, code in (
        (ann, "FORBIDDEN"),
        (support, "FORBIDDEN"),
        (gateway.client, "UNAUTHENTICATED"),
    ):
        for query in (
            "{ coupons { nextCursor } }",
            f'mutation {{ disableCoupon(id: "{PLAN.id}") {{ success }} }}',
            'mutation { createCoupon(input: {code: "x", percent: "5"}) { success } }',
        ):
            assert (await client.ask(query)).code == code
    assert not gateway.coupons.requests
