"""Money of a currency that has ended is still paid back, billed and reported, but not added to wallets."""

from decimal import Decimal
from uuid import uuid4

import pytest

from kit.errors import Failure
from kit.values.checks import Checks
from protos.common.v1 import days_pb2, money_pb2
from protos.orders.v1 import budgets_pb2, payments_pb2, reports_pb2, statements_pb2
from services.orders.budgets import requests as budgets
from services.orders.payments import money_requests
from services.orders.reports import lifecycle_requests
from services.orders.reports import requests as reports
from services.orders.statements import requests as statements

KUNA = money_pb2.Money(currency_code="HRK", units=10, nanos=500_000_000)
DAYS = days_pb2.DayRange(from_day="2022-12-01", to_day="2022-12-31")


def test_it_is_given_back() -> None:
    wanted = payments_pb2.RefundOrderRequest(
        order_id=str(uuid4()), amount=KUNA, note="damaged", idempotency_key="one"
    )
    found = money_requests.refund(wanted)
    assert (found.amount, found.currency) == (Decimal("10.5"), "HRK")
    correction = payments_pb2.CorrectWalletRequest(
        customer_id=str(uuid4()),
        amount=money_pb2.Money(currency_code="HRK", units=-10),
        note="paid out in euros",
        idempotency_key="two",
    )
    assert money_requests.correction(correction).amount == -10


def test_a_statement_in_it_is_paid() -> None:
    paid = statements_pb2.RecordStatementPaymentRequest(
        statement_id=str(uuid4()), amount=KUNA, paid_on="2023-01-10", note="", idempotency_key="one"
    )
    assert statements.payment(paid).amount == Decimal("10.5")


def test_a_budget_of_an_organization_that_has_it_can_be_changed() -> None:
    wanted = budgets_pb2.SetBudgetRequest(
        organization_id=str(uuid4()),
        scope=budgets_pb2.BUDGET_SCOPE_ORGANIZATION,
        period=budgets_pb2.BUDGET_PERIOD_MONTH,
        amount=KUNA,
    )
    assert budgets.set_budget(wanted).currency == "HRK"


def test_what_was_sold_in_it_is_reported() -> None:
    sales = reports_pb2.GetSalesRequest(
        range=DAYS, currency="HRK", filter=reports_pb2.SalesFilter(currencies=["HRK"])
    )
    assert reports.sales(sales).currency == "HRK"
    cohorts = reports_pb2.GetCohortsRequest(
        range=DAYS, measure=reports_pb2.COHORT_MEASURE_REVENUE, currency="HRK"
    )
    assert lifecycle_requests.cohorts(cohorts).currency == "HRK"


def test_it_is_not_added_to_a_wallet() -> None:
    checks = Checks()
    money_requests.top_up(
        checks, payments_pb2.TopUpWalletRequest(amount=KUNA, idempotency_key="one")
    )
    with pytest.raises(Failure) as refused:
        checks.done()
    assert refused.value.fields == {"amount": "is in HRK, which is no longer in use"}
