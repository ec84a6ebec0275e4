"""The comparison of the books: no difference after everything has happened, and each one on purpose."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from kit.errors import Failure, Kind
from kit.values import timestamps
from protos.orders.v1 import books_pb2
from services.orders.books.check import BooksCheck, DailyCheck
from services.orders.datasource import OrdersDataSource
from tests.component.orders.books.changes import CHANGES, PAYMENT
from tests.component.orders.books.checked import CheckedShop, busy, checked
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.refunds.bought import bought


async def test_books_agree_after_everything_has_happened(paid_shop: PaidShop) -> None:
    async with checked(paid_shop) as found:
        # The payment provider's times are full seconds: a charge may seem older than books that just began.
        await found.force("update orders.books set since = since - interval '1 minute'")
        await busy(found)
        await found.read_balance()
        differences, summary = await found.check()
        assert differences == []
        assert (summary.orders, summary.payments, summary.provider_orders) == (4, 4, 4)
        # Three charges and two refunds.
        assert summary.balance_transactions == 5
        assert summary.ledger_transactions >= 15
        assert list(summary.skipped) == []
        balance = await found.admin.fetchval(
            "select sum(amount) from orders.ledger_entries where account = 'clearing:stripe'"
        )
        net = await found.admin.fetchval(
            "select sum(amount - fee) from orders.balance_transactions"
        )
        assert balance == net
        # Read and posted again, nothing changes.
        before = await found.admin.fetchval("select count(*) from orders.ledger_transactions")
        await found.read_balance()
        assert before == await found.admin.fetchval(
            "select count(*) from orders.ledger_transactions"
        )


async def test_each_difference_is_named(paid_shop: PaidShop) -> None:
    """Every change alone, in a transaction of its own state: rows are restored by their copies."""
    tables = (
        *("esim_orders", "payments", "refunds", "order_revocations", "wallets", "wallet_entries"),
        *("ledger_transactions", "ledger_entries"),
    )
    async with checked(paid_shop) as found:
        orders = await busy(found)
        await found.read_balance()
        # What was taken in the last hour may still be on its way to the payment provider's list.
        await found.force("update orders.books set since = since - interval '3 hours'")
        await found.force(
            "update orders.ledger_transactions set at = at - interval '2 hours' where kind = 'TAKE'"
        )
        await found.force("update orders.esim_orders set placed_at = placed_at - interval '1 hour'")
        for table in tables:
            await found.admin.execute(f"create table public.{table}_kept as table orders.{table}")
        named = set()
        for order, change, code in CHANGES:
            await found.force(
                change.replace("{payment}", PAYMENT).replace("|| $1", "|| $1::text"), orders[order]
            )
            codes = await found.codes()
            assert code in codes, f"{code} is not in {codes}"
            named.add(code)
            await restore(found, tables)
        assert await found.codes() == set()
    assert len(named) == len({code for *_, code in CHANGES})


async def restore(found: CheckedShop, tables: tuple[str, ...]) -> None:
    await found.admin.execute("set session_replication_role = replica")
    for table in tables:
        rows = await found.admin.fetch(
            "select column_name as name from information_schema.columns where table_schema = 'orders'"
            " and table_name = $1 and is_generated = 'NEVER' order by ordinal_position",
            table,
        )
        names = ", ".join(f'"{row["name"]}"' for row in rows)
        await found.admin.execute(f"delete from orders.{table}")  # noqa: S608 - names of the catalogue
        await found.admin.execute(
            f"insert into orders.{table} ({names}) overriding system value"  # noqa: S608 - the same
            f" select {names} from public.{table}_kept"
        )
    await found.admin.execute("reset session_replication_role")


async def test_a_refund_that_is_never_made_and_a_fee_that_is_never_posted(
    paid_shop: PaidShop,
) -> None:
    async with checked(paid_shop) as found:
        order = await bought(paid_shop, found.service, found.buyer)
        await found.force("update orders.books set since = since - interval '5 days'")
        await found.force(
            "insert into orders.refunds (payment_id, order_id, customer_id, amount, currency, destination,"
            " reason, requested_by, created_at, next_run_at) select id, order_id, customer_id, 1, 'USD',"
            " 'CARD', 'STAFF', 'test', now() - interval '3 days', null from orders.payments"
        )
        assert await found.codes() == {"REFUND_STUCK"}
        await found.force("delete from orders.refunds")
        await found.posted()
        movement = next(iter(paid_shop.provider.world.balance.values()))
        movement.created -= 2 * 86400
        assert "FEE_NOT_POSTED" in await found.codes()
        assert order.id


# What is wrong, each with its code.
UNRESOLVED = (
    (
        "insert into orders.refunds (payment_id, order_id, customer_id, amount, currency, destination,"
        " reason, requested_by, next_run_at) select id, order_id, customer_id, 1, 'USD', 'CARD', 'STAFF',"
        " 'test', null from orders.payments",
        "REFUND_STUCK",
    ),
    (
        "insert into orders.balance_transactions (id, kind, amount, fee, currency, payment_id, at)"
        " select 'txn_1', 'charge', 1, 0.5, 'USD', id, now() from orders.payments",
        "FEE_NOT_POSTED",
    ),
    (
        "update orders.ledger_entries set amount = amount - 1 where account = 'deposits' and amount > 0",
        "DEPOSIT_LEFT",
    ),
    (
        "insert into orders.refunds (payment_id, order_id, customer_id, amount, currency, destination,"
        " reason, requested_by, next_run_at, state, failure, settled_at) select id, order_id, customer_id, 2,"
        " 'USD', 'CARD', 'CANCELLED', 'test', null, 'FAILED', 'lost', now() from orders.payments",
        "CANCELLED_ORDER_KEEPS_MONEY",
    ),
    (
        "with failed as (update orders.esim_orders set status = 'FAILED', failure_reason = 'PAID_BACK')"
        " update orders.payments set state = 'RELEASED', updated_at = now()",
        "FAILED_ORDER_KEEPS_MONEY",
    ),
)
AGE = (
    "update orders.esim_orders set created_at = $1, updated_at = $1, placed_at = $1",
    "update orders.payments set created_at = $1, updated_at = $1",
    "update orders.refunds set created_at = $1, updated_at = $1",
    "update orders.ledger_transactions set at = $1",
    "update orders.balance_transactions set at = $1",
)


async def test_what_is_still_wrong_is_reported_whatever_its_age(paid_shop: PaidShop) -> None:
    now = datetime.now(UTC)
    since = timestamps.to_proto(now - timedelta(days=3))

    async def codes(found: CheckedShop) -> set[str]:
        for statement in AGE:
            await found.force(statement, now - timedelta(days=40))
        differences, _ = await found.check(from_date=since)
        return {one.code for one in differences}

    async with checked(paid_shop) as found:
        await bought(paid_shop, found.service, found.buyer)
        await found.posted()
        await found.force("update orders.books set since = since - interval '90 days'")
        paid_shop.provider.world.balance.clear()
        assert await codes(found) == set()
        for change, code in UNRESOLVED:
            await found.force(change)
            assert code in await codes(found)
        # What a dispute has taken can't be refunded.
        await found.force(
            "insert into orders.disputes (id, payment_id, amount, currency, status, created_at, withdrawn)"
            " select 'dp_1', id, amount, 'USD', 'lost', now(), true from orders.payments"
        )
        assert await codes(found) == {"REFUND_STUCK", "FEE_NOT_POSTED"}


async def test_top_ups_are_compared(paid_shop: PaidShop) -> None:
    insert = (
        "insert into orders.payments (customer_id, method, amount, captured, currency, state, expires_at)"
        " values ($1::text::uuid, 'CARD', 5, $2::text::numeric, 'USD', $3, now()) returning id"
    )
    async with checked(paid_shop) as found:
        wallet = await found.admin.fetchval(
            "insert into orders.wallets (owner_id, currency, available) values ($1::text::uuid, 'USD', 5)"
            " returning id",
            found.customer,
        )
        await found.force(insert, found.customer, "5", "CAPTURED")
        await found.force(
            "insert into orders.wallet_entries"
            " (wallet_id, kind, available, held, available_after, payment_id, actor)"
            " select $1, 'TOP_UP', 5, 0, 5, id, 'test' from orders.payments",
            wallet,
        )
        assert await found.codes() == {"TOP_UP_NOT_POSTED", "WALLET_LEDGER_DIFFERS"}
        key = await found.admin.fetchval("select 'top_up:' || id from orders.payments")
        await found.post(key, "clearing:manual", f"wallet:{wallet}", "5")
        assert await found.codes() == {"TOP_UP_DIFFERS"}
        await found.force(
            "update orders.ledger_transactions set kind = 'TOP_UP',"
            " payment_id = (select id from orders.payments)"
        )
        await found.force("update orders.payments set captured = 0, state = 'RELEASED'")
        assert await found.codes() == {"TOP_UP_POSTED_WITHOUT_MONEY"}


async def test_a_dispute_is_compared(paid_shop: PaidShop) -> None:
    async with checked(paid_shop) as found:
        order = await bought(paid_shop, found.service, found.buyer)
        charge = (await paid_shop.payment(order.id))["charge_id"]
        await paid_shop.provider.control("POST", f"/charges/{charge}/dispute", {})
        # Within an hour it is read.
        assert await found.codes() == set()
        await found.force("update orders.books set since = since - interval '3 hours'")
        for movement in paid_shop.provider.world.balance.values():
            movement.created -= 2 * 3600
        assert "DISPUTE_UNKNOWN" in await found.codes()
        await found.force(
            "insert into orders.disputes (id, payment_id, amount, currency, status, created_at, withdrawn)"
            " select $1, id, amount, 'USD', 'needs_response', now(), true from orders.payments",
            await dispute_id(paid_shop),
        )
        assert "DISPUTE_NOT_POSTED" in await found.codes()


async def dispute_id(shop: PaidShop) -> str:
    rows = (await shop.provider.control("GET", "/snapshot"))["disputes"]
    [row] = rows.values() if isinstance(rows, dict) else rows
    return str(row["id"])


async def test_an_unavailable_provider_is_skipped_with_its_reason(paid_shop: PaidShop) -> None:
    async with checked(paid_shop) as found:
        await bought(paid_shop, found.service, found.buyer)
        await paid_shop.shop.fault(path="/orders", method="GET", status=503, count=100)
        await paid_shop.provider.control(
            "POST", "/faults", {"kind": "error", "path": "/balance_transactions", "count": 100}
        )
        differences, summary = await found.check()
        assert differences == []
        assert [reason.partition(":")[0] for reason in summary.skipped] == [
            "eSIM Go",
            "the payment provider",
        ]


async def test_a_period_is_checked(paid_shop: PaidShop) -> None:
    now = datetime.now(UTC)

    def at(days: int) -> Any:
        return timestamps.to_proto(now + timedelta(days=days))

    async with checked(paid_shop) as found:
        for period in (
            {"from_date": at(1)},
            {"from_date": at(-2), "to_date": at(-3)},
            {"from_date": at(-500)},
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await found.check(**period)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        call = found.books.CheckBooks(books_pb2.CheckBooksRequest(), metadata=found.buyer)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_the_daily_comparison_records_its_result_once(
    paid_shop: PaidShop, caplog: pytest.LogCaptureFixture
) -> None:
    async with checked(paid_shop) as found:
        order = await bought(paid_shop, found.service, found.buyer)
        await found.force(
            "update orders.ledger_transactions set key = 'x' where key = 'sale:' || $1::text",
            order.id,
        )
    # The service has ended: it would compare the books too.
    async with paid_shop.shop.databases.open("orders") as database:
        datasource: OrdersDataSource = Nowhere()  # type: ignore[assignment] # reads fail
        daily = DailyCheck(database, BooksCheck(database, datasource, None))
        await daily.round()
        assert await found.admin.fetchval("select checked_at from orders.books") is None
        await found.admin.execute("update orders.books set check_due_at = now()")
        await daily.round()
        await daily.round()
    row = await found.admin.fetchrow("select differences, check_due_at > now() from orders.books")
    assert tuple(row) == (1, True)
    logged = [r.getMessage() for r in caplog.records if "the books differ" in r.getMessage()]
    assert len(logged) == 1
    assert "SALE_NOT_POSTED" in logged[0]


class Nowhere:
    """A provider that can't be reached."""

    async def get_history(self, *_: Any, **__: Any) -> Any:
        raise Failure(Kind.UNAVAILABLE, "PROVIDER_UNREACHABLE", "away")
