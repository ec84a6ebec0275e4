"""Orders, refunds and top-ups change the balance exactly, and every change is in the ledger."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.state import applying, device, revoking, stock, topups
from sandbox.state.applying import Application
from sandbox.state.exact import amount_text, exact
from sandbox.state.refusal import Refusal
from tests.unit.sandbox.conftest import BUNDLE, Bench

Make = Callable[..., Bench]
LINE = {"type": "bundle", "quantity": 1, "item": BUNDLE}
PRICE = Decimal("1.37")


@given(st.decimals(min_value=0, max_value=10**9, places=3))
def test_amounts_are_written_with_exactly_their_digits(amount: Decimal) -> None:
    assert Decimal(json.dumps(amount, default=exact)) == amount
    assert Decimal(amount_text(amount)) == amount


def test_an_order_charges_its_total_and_the_ledger_records_it(bench: Bench) -> None:
    order = bench.order({**LINE, "quantity": 3})
    assert order.total == 3 * PRICE
    assert bench.world.account.balance == 1000 - 3 * PRICE
    [entry] = bench.world.ledger
    assert (entry.kind, entry.amount, entry.reference) == ("order", -3 * PRICE, order.reference)


def test_an_order_beyond_the_balance_is_refused_completely(make_bench: Make) -> None:
    bench = make_bench(balance=2)
    with pytest.raises(Refusal) as refusal:
        bench.order(LINE, LINE)
    assert refusal.value.status == 400
    assert bench.world.account.balance == 2
    assert (len(bench.world.orders), len(bench.world.esims)) == (0, 0)
    assert bench.event_types() == ["InsufficientBalance"]


def test_the_status_of_a_low_balance_is_configurable(make_bench: Make) -> None:
    bench = make_bench(balance=0, low_balance_status=402)
    with pytest.raises(Refusal) as refusal:
        bench.order(LINE)
    assert refusal.value.status == 402


def test_refused_purchases_are_reported_ten_times_until_a_topup(make_bench: Make) -> None:
    bench = make_bench(balance=0)
    for _ in range(15):
        with pytest.raises(Refusal):
            bench.order(LINE)
    assert bench.event_types().count("InsufficientBalance") == 10
    topups.top_up(bench.world, topups.Kind.PROVIDER, Decimal(1), "", bench.now)
    with pytest.raises(Refusal):
        bench.order(LINE)
    assert bench.event_types().count("InsufficientBalance") == 11


def test_a_low_balance_is_reported_once_per_step(make_bench: Make) -> None:
    bench = make_bench(balance=102, low_balance_threshold=100)
    for _ in range(70):
        bench.order(LINE)
    shares = [
        json.loads(item.body)["balanceInfo"]["thresholdPercentRemaining"]
        for item in bench.callbacks()
        if item.type == "LowBalance"
    ]
    assert len(shares) == 4
    for share, step in zip(shares, (100, 75, 50, 10), strict=True):
        assert step - 2 < share <= step


def test_a_failing_line_fails_the_whole_order(bench: Bench) -> None:
    with pytest.raises(Refusal):
        bench.order(LINE, {**LINE, "item": "esim_1GB_7D_gb_V2"})
    assert len(bench.world.orders) == 0


def test_topups_have_a_minimum_amount_and_a_daily_limit(bench: Bench) -> None:
    with pytest.raises(Refusal, match="at least 1000"):
        topups.by_api(bench.world, Decimal(999), "", bench.now)
    for _ in range(5):
        topups.by_api(bench.world, Decimal(1000), "", bench.now)
    with pytest.raises(Refusal, match="5000 a day"):
        topups.by_api(bench.world, Decimal(1000), "", bench.now)
    bench.later(days=1)
    topups.by_api(bench.world, Decimal(1000), "", bench.now)
    assert bench.world.account.balance == 7000
    assert bench.event_types() == ["Topup"] * 6


def test_revoking_refunds_nothing_while_refunds_are_off(bench: Bench) -> None:
    esim = bench.esim()
    outcome = revoking.revoke(
        bench.world, bench.assignment(esim), bench.now, to_balance=True, dry=False
    )
    assert outcome.refund is None
    assert bench.assignment(esim).state == "revoked"
    assert bench.world.account.balance == 1000 - PRICE


def test_an_unused_bundle_is_refunded_to_the_balance(make_bench: Make) -> None:
    bench = make_bench(refunds=True)
    esim = bench.esim()
    outcome = revoking.revoke(
        bench.world, bench.assignment(esim), bench.now, to_balance=True, dry=False
    )
    assert outcome.refund == "balance"
    assert bench.world.account.balance == 1000


def test_an_unused_bundle_is_returned_to_the_inventory_by_default(make_bench: Make) -> None:
    bench = make_bench(refunds=True)
    esim = bench.esim()
    revoking.revoke(bench.world, bench.assignment(esim), bench.now, to_balance=False, dry=False)
    [lot] = bench.world.lots
    assert (lot.bundle, lot.remaining, lot.price) == (BUNDLE, 1, PRICE)
    applying.apply(bench.world, [Application(BUNDLE, esim.iccid)], "", bench.now)
    assert bench.assignment(esim).state == "queued"


def test_validate_changes_nothing(make_bench: Make) -> None:
    bench = make_bench(refunds=True)
    esim = bench.esim()
    outcome = revoking.revoke(
        bench.world, bench.assignment(esim), bench.now, to_balance=False, dry=True
    )
    assert (
        outcome.text(done=False) == "Bundle can be revoked, bundle would be refunded to inventory"
    )
    assert bench.assignment(esim).state == "queued"
    assert len(bench.world.lots) == 0


@pytest.mark.parametrize("spoil", ["used", "old"])
def test_no_refund_for_a_used_or_an_old_bundle(make_bench: Make, spoil: str) -> None:
    bench = make_bench(refunds=True)
    esim = bench.esim()
    if spoil == "used":
        device.use_data(bench.world, esim, 1, None, bench.now)
    else:
        bench.later(days=61)
    outcome = revoking.revoke(
        bench.world, bench.assignment(esim), bench.now, to_balance=True, dry=False
    )
    assert outcome.refund is None


def test_an_ended_bundle_cannot_be_revoked(bench: Bench) -> None:
    esim = bench.esim()
    device.use_data(bench.world, esim, 1, None, bench.now)
    bench.later(days=7)
    with pytest.raises(Refusal, match="expired"):
        revoking.revoke(bench.world, bench.assignment(esim), bench.now, to_balance=False, dry=False)


def test_the_inventory_is_used_up_lot_by_lot(bench: Bench) -> None:
    bench.order({**LINE, "quantity": 2}, assign=False)
    bench.later(days=1)
    bench.order(LINE, assign=False)
    applying.apply(bench.world, [Application(BUNDLE, repeat=3)], "", bench.now)
    assert [lot.remaining for lot in bench.world.lots] == [0, 0]
    with pytest.raises(Refusal) as refusal:
        applying.apply(bench.world, [Application(BUNDLE)], "", bench.now)
    assert refusal.value.status == 403


def test_an_apply_request_is_granted_completely_or_not_at_all(bench: Bench) -> None:
    bench.order(LINE, assign=False)
    with pytest.raises(Refusal):
        applying.apply(bench.world, [Application(BUNDLE), Application(BUNDLE)], "", bench.now)
    [lot] = bench.world.lots
    assert lot.remaining == 1
    assert len(bench.world.esims) == 0


def test_inventory_refunds_credit_what_was_paid(make_bench: Make) -> None:
    bench = make_bench(refunds=True)
    bench.order({**LINE, "quantity": 4}, assign=False)
    [lot] = bench.world.lots
    bench.world.catalogue.reprice(BUNDLE, Decimal(9))
    stock.refund_lot(bench.world, lot.usage_id, 3, bench.now)
    assert bench.world.account.balance == 1000 - PRICE
    with pytest.raises(Refusal, match="only 1"):
        stock.refund_lot(bench.world, lot.usage_id, 2, bench.now)


def test_the_ledger_adds_up_to_the_balance(make_bench: Make) -> None:
    bench = make_bench(refunds=True)
    esim = bench.esim()
    bench.order({**LINE, "quantity": 4}, assign=False)
    revoking.revoke(bench.world, bench.assignment(esim), bench.now, to_balance=True, dry=False)
    topups.by_api(bench.world, Decimal("1000.25"), "", bench.now)
    assert 1000 + sum(entry.amount for entry in bench.world.ledger) == bench.world.account.balance
