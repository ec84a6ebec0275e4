"""Orders from price lists: what is charged and recorded, and what customers never learn."""

import json
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from kit.values import currencies, money
from protos.orders.v1 import orders_pb2
from services.orders.purchase.limits import parse
from tests.component.orders.prices.price_lists import RATES, TAXES, Seller, amount
from tests.component.orders.real_peers import platform
from tests.component.orders.shop import Metadata, Shop, orders_recorded, request
from tests.fixtures.rpc.refusals import failure_of

COMPLETED = orders_pb2.ORDER_STATUS_COMPLETED


async def test_an_order_keeps_how_it_was_sold(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop) as running:
        seller = await Seller.open(running)
        shown = await seller.shown("EUR")
        order = await seller.buy(buyer, quantity=2, currency="EUR")
        recorded = dict(await shop.row(order.id))
        await seller.mark_up("300")
        assert amount((await seller.shown("EUR")).price) > amount(shown.price)
        wanted = orders_pb2.GetOrderRequest(order_id=order.id)
        later = (await running.orders.GetOrder(wanted, metadata=buyer)).order
        staff = await seller.seen_by_staff(order)
        assert dict(await shop.row(order.id)) == recorded
    assert order.status == COMPLETED
    assert (order.unit_price, amount(order.total_price)) == (shown.price, 2 * amount(shown.price))
    assert order.total_price.currency_code == "EUR"
    net = currencies.rounded(amount(order.total_price) / Decimal("1.19"), "EUR")
    assert amount(order.tax_amount) == amount(order.total_price) - net
    assert (order.tax_rate, order.price_includes_tax) == ("19", True)
    assert order.status_reason == ""
    assert later == order
    sold = order.sold_plan
    assert (sold.title, sold.description) == (shown.title, shown.description)
    assert list(sold.countries) == [country.iso for country in shown.countries]
    assert (sold.duration_days, sold.unlimited) == (shown.duration_days, shown.unlimited)
    assert not order.HasField("cost")
    assert amount(staff.cost.expected) == amount(staff.cost.charged) == 2 * seller.cost
    assert staff.cost.charged.currency_code == "USD"
    assert (staff.cost.price_list, staff.cost.rule_version) == ("eur", 1)
    assert staff.cost.exchange_rate == RATES["EUR"]
    assert staff.cost.HasField("exchange_rate_at")
    assert (recorded["price_list"], recorded["requested_currency"]) == ("eur", "EUR")


async def test_a_recorded_sale_cannot_be_changed(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop) as running:
        seller = await Seller.open(running)
        order = await seller.buy(buyer)
    for change in (
        *("unit_price = 1", "total_price = 1", "currency = 'CHF'", "price_list = null"),
        *("tax_amount = 1", "discount = 1", "sold_plan = null", "expected_cost = 1"),
        *("max_unit_cost = 99", "exchange_rate = 2", "requested_currency = 'CHF'"),
    ):
        with pytest.raises(Exception, match="cannot change"):
            await shop.databases.admin.execute(f"update orders.esim_orders set {change}")  # noqa: S608 - constants
    assert (await shop.row(order.id))["total_price"] == amount(order.total_price)


@pytest.mark.parametrize("limited", [False, True])
async def test_a_risen_cost_is_absorbed_or_refused_before_anything_is_bought(
    shop: Shop, limited: bool
) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop, price_ttl=0.0) as running:
        seller = await Seller.open(running)
        price = amount((await seller.shown()).price)
        limits = {"max_total": money.to_proto(2 * price, "USD")} if limited else {}
        greatest = price - Decimal("0.2")  # what the list absorbs
        assert greatest > seller.cost
        await seller.raise_cost(greatest)
        order = await seller.buy(buyer, quantity=2, **limits)
        await seller.raise_cost(greatest + Decimal("0.01"))
        refused = await failure_of(seller.buy(buyer, quantity=2, **limits))
        quoted = await failure_of(seller.quote(buyer, quantity=2))
        valid = orders_pb2.ValidateOrderRequest(plan_id=seller.plan.id, quantity=2)
        validated = await running.orders.ValidateOrder(valid, metadata=buyer)
        staff = await seller.seen_by_staff(order)
    assert (amount(order.unit_price), amount(order.total_price)) == (price, 2 * price)
    assert order.status_reason == ""
    assert amount(staff.cost.expected) == amount(staff.cost.charged) == 2 * greatest
    for failure in (refused, quoted):
        assert failure.reason == "PRICE_CHANGED"
        assert not any(character.isdigit() for character in failure.message)
        assert not failure.details
    assert (validated.valid, amount(validated.total_price)) == (False, 2 * price)
    assert await orders_recorded(shop) == shop.charges == 1


async def test_a_cost_that_rises_after_the_claim_fails_a_limited_order(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop, price_holds=0.0) as running:
        seller = await Seller.open(running)
        price = amount((await seller.shown()).price)
        # The claim's confirmation has the old cost; the one before the attempt has the new one.
        confirmed = {"valid": True, "total": float(seller.cost), "currency": "USD"}
        await shop.fault(method="POST", path="/orders", status=200, body=confirmed)
        await seller.raise_cost(price)
        order = await seller.buy(buyer, max_price=money.to_proto(price, "USD"))
        timeline = await timeline_of(running.orders, order, buyer)
    assert (order.status, order.failure_reason) == (orders_pb2.ORDER_STATUS_FAILED, "PRICE_CHANGED")
    assert not any(character.isdigit() for character in order.status_reason + timeline)
    assert "instead of" in (await shop.row(order.id))["operator_detail"]
    assert shop.charges == 0


async def timeline_of(orders: Any, order: orders_pb2.Order, buyer: Metadata) -> str:
    answer = await orders.BatchListOrderTimelines(
        orders_pb2.BatchListOrderTimelinesRequest(order_ids=[order.id]), metadata=buyer
    )
    return " ".join(entry.message for entry in answer.timelines[0].entries)


async def test_a_charge_above_the_expected_cost_is_an_incident_for_staff_only(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop) as running:
        seller = await Seller.open(running)
        charged = seller.cost * Decimal("1.5")  # above any tolerance
        await seller.raise_cost(charged)  # the known cost is recent, so none is confirmed
        order = await seller.buy(buyer)
        timeline = await timeline_of(running.orders, order, buyer)
        staff = await seller.seen_by_staff(order)
        history = await running.orders.GetOrderHistory(
            orders_pb2.GetOrderHistoryRequest(order_id=order.id), metadata=shop.service_key
        )
        exported = [
            message.row_json
            async for message in running.orders.ExportCustomer(
                orders_pb2.ExportCustomerRequest(
                    customer_id=str(await shop.auth.user_id("b@example.com"))
                ),
                metadata=shop.service_key,
            )
        ]
    assert amount(order.total_price) == amount(order.unit_price) != charged
    assert order.status_reason == ""
    assert "charged" not in timeline
    assert not order.HasField("charged_above")
    assert amount(staff.charged_above) == charged - seller.cost
    assert (amount(staff.cost.expected), amount(staff.cost.charged)) == (seller.cost, charged)
    assert "charged above the expected cost" in [step.reason for step in history.steps]
    assert amount(history.order.order.cost.charged) == charged
    assert f"charged {money.plain(charged)} USD" in history.order.detail
    assert f"was charged {money.plain(charged)} USD" in caplog.text
    for text in (json.dumps(MessageToDict(order)), *exported):
        assert str(money.plain(charged)) not in text


async def test_a_price_limit_is_about_the_price_that_the_customer_pays(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop) as running:
        seller = await Seller.open(running)
        price = amount((await seller.shown("JPY")).price)
        total = price + currencies.rounded(price / 10, "JPY")  # with tax

        def buying(field: str, limit: Decimal, currency: str = "JPY") -> Any:
            limits = {field: money.to_proto(limit, currency)}
            return seller.buy(buyer, currency="JPY", **limits)

        for field, least in (("max_price", price), ("max_total", total)):
            failure = await failure_of(buying(field, least - 1))
            assert failure.reason == "PRICE_CHANGED"
            shown = {"price": str(price), "total": str(total), "currency": "JPY"}
            assert dict(failure.details) == shown
            assert (await buying(field, least)).status == COMPLETED
        other = await failure_of(buying("max_total", 10 * total, "USD"))
        assert dict(other.fields) == {"max_total": "must be in JPY, as the order is"}
        # The default currency may have changed since the price was shown.
        unnamed = {"max_total": money.to_proto(10 * total, "")}
        failure = await failure_of(seller.buy(buyer, **unnamed))
        assert (failure.reason, list(failure.fields)) == ("CURRENCY_REQUIRED", ["currency"])
        assert amount((await seller.buy(buyer, currency="JPY", **unnamed)).total_price) == total
    assert shop.charges == 3


@pytest.mark.parametrize("currency", ["USD", "EUR", "JPY", "KWD"])
async def test_a_quote_is_what_the_purchase_charges(shop: Shop, currency: str) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop) as running:
        seller = await Seller.open(running)
        shown = await seller.shown(currency)
        for quantity in (1, 3):
            wanted = {"quantity": quantity, "currency": currency}
            quote = await seller.quote(buyer, **wanted)
            order = await seller.buy(buyer, **wanted)
            assert quote.unit_price == order.unit_price == shown.price
            assert amount(quote.subtotal) == quantity * amount(shown.price)
            assert quote.total == order.total_price
            assert (quote.tax_amount, quote.tax_rate) == (order.tax_amount, order.tax_rate)
            assert quote.price_includes_tax == order.price_includes_tax == (currency == "EUR")
            assert (shown.price_includes_tax, shown.tax_rate) == (currency == "EUR", quote.tax_rate)
            assert not quote.HasField("discount")
            assert quote.valid_until.seconds > order.created_at.seconds
            rates = {"USD": "", "EUR": TAXES["DE"], "JPY": TAXES["JP"], "KWD": TAXES["KW"]}
            assert order.tax_rate == rates[currency]
            total, tax = amount(order.total_price), amount(order.tax_amount)
            for found in (total, tax, amount(order.unit_price)):
                assert found == currencies.rounded(found, currency)
            if currency in ("JPY", "KWD"):
                added = amount(quote.subtotal) * Decimal(order.tax_rate) / 100
                assert tax == currencies.rounded(added, currency) == total - amount(quote.subtotal)
        unknown = await failure_of(seller.quote(buyer, coupon_code="NONE"))
        assert unknown.reason == "COUPON_NOT_VALID"


async def test_the_currency_is_part_of_what_makes_requests_equal(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    async with platform(shop) as running:
        seller = await Seller.open(running)

        async def buying(key: str, currency: str, **options: Any) -> tuple[str, bool]:
            wanted = request(
                shop, plan_id=seller.plan.id, idempotency_key=key, currency=currency, **options
            )
            answer = await running.orders.CreateOrder(wanted, metadata=buyer)
            return answer.order.id, answer.repeated_request

        first, _ = await buying("one", "")
        assert await buying("one", "") == await buying("one", "USD") == (first, True)
        assert (await failure_of(buying("one", "EUR"))).reason == "IDEMPOTENCY_CONFLICT"
        named, _ = await buying("two", "EUR")
        assert await buying("two", "EUR") == (named, True)
        assert (await failure_of(buying("two", ""))).reason == "IDEMPOTENCY_CONFLICT"
        clicked, _ = await buying("", "EUR", prevent_duplicates=True)
        assert await buying("", "EUR", prevent_duplicates=True) == (clicked, True)
        other, repeated = await buying("", "JPY", prevent_duplicates=True)
        assert (other != clicked, repeated) == (True, False)
        for bad, reason in (("CHF", "UNKNOWN_CURRENCY"), ("eur", "INVALID_ARGUMENT")):
            failure = await failure_of(buying("three", bad))
            assert (failure.reason, list(failure.fields)) == (reason, ["currency"])
    assert await orders_recorded(shop) == shop.charges == 4


async def test_spending_limits_count_costs_in_one_currency(shop: Shop) -> None:
    buyer = await shop.session("b@example.com")
    cost = Decimal(str(shop.catalogue.bundles[shop.plan_id].price))
    limits = parse(f"customer_day_amount={3 * cost}")
    async with platform(shop, purchase_limits=limits) as running:
        seller = await Seller.open(running, "500")
        await seller.buy(buyer, currency="JPY")
        await seller.buy(buyer, quantity=2, currency="USD")
        failure = await failure_of(seller.buy(buyer))
        # Requests that can't succeed anyway tell nothing about the cost.
        for impossible, reason in (
            ({"max_total": money.to_proto(Decimal("0.01"), "USD")}, "PRICE_CHANGED"),
            ({"coupon_code": "UNKNOWN"}, "COUPON_NOT_VALID"),
            ({"esim_id": shop.plan_id, "quantity": 1}, "ESIM_NOT_FOUND"),
        ):
            refused = await failure_of(seller.buy(buyer, **{"quantity": 4} | impossible))
            assert refused.reason == reason
    assert failure.reason == "PURCHASE_LIMIT_CUSTOMER_DAY_AMOUNT"
    assert shop.charges == 2
