"""The coupons service: who may manage coupons, and what a check of a code reveals."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from kit.db.database import Database
from kit.errors import Failure
from kit.values import timestamps
from protos.orders.v1 import coupons_pb2 as pb
from services.orders.coupons.redeem import Discounts, sale_of
from services.orders.peers import Catalogue
from services.orders.plan import Plan
from tests.component.orders.coupons.coupon_shop import CouponShop, list_price, of, open_coupons
from tests.component.orders.shop import Shop
from tests.fixtures.patience import PATIENCE
from tests.fixtures.rpc.refusals import refused


def tomorrow() -> Timestamp | None:
    return timestamps.to_proto(datetime.now(UTC) + timedelta(days=1))


async def test_the_finance_staff_creates_lists_and_disables_coupons(shop: Shop) -> None:
    finance = await shop.session("f@example.com", role="finance")
    user_id = str(await shop.auth.user_id("f@example.com"))
    async with open_coupons(shop) as running:
        wanted = pb.Coupon(
            code="spring-26",
            amount=of("5.50"),
            ends_at=tomorrow(),
            countries=["FR", "DE"],
            minimum=of("20"),
            max_uses=10,
            max_uses_per_customer=1,
            budget=of("50"),
            first_purchase_only=True,
            max_loss=of("1"),
        )
        request = pb.CreateCouponRequest(coupon=wanted)
        created = (await running.coupons.CreateCoupon(request, metadata=finance)).coupon
        assert (created.code, created.created_by) == ("SPRING-26", user_id)
        assert (created.amount, created.budget, created.max_loss) == (of("5.5"), of("50"), of("1"))
        assert (created.spent, list(created.countries)) == (of("0"), ["DE", "FR"])
        assert await refused(running.coupons.CreateCoupon(request, metadata=finance)) == (
            "COUPON_EXISTS"
        )
        for number in range(4):
            await running.create(f"CODE-{number}")
        found: list[str] = []
        listing = pb.ListCouponsRequest(page_size=2)
        while True:
            page = await running.coupons.ListCoupons(listing, metadata=finance)
            found += [coupon.code for coupon in page.coupons]
            listing.page_token = page.next_page_token
            if not page.next_page_token:
                break
        assert found == ["CODE-3", "CODE-2", "CODE-1", "CODE-0", "SPRING-26"]
        disable = pb.DisableCouponRequest(coupon_id=created.id)
        for _ in range(2):
            disabled = (await running.coupons.DisableCoupon(disable, metadata=finance)).coupon
            assert disabled.disabled
        unknown = pb.DisableCouponRequest(coupon_id=shop.plan_id)
        assert await refused(running.coupons.DisableCoupon(unknown, metadata=finance)) == (
            "COUPON_NOT_FOUND"
        )


async def test_customers_and_the_public_cannot_manage_coupons(shop: Shop) -> None:
    sessions = {
        "UNAUTHENTICATED": None,
        "PERMISSION_DENIED": await shop.session("b@example.com"),
    }
    support = await shop.session("s@example.com", role="support")
    async with open_coupons(shop) as running:
        calls: tuple[tuple[Any, Any], ...] = (
            (running.coupons.CreateCoupon, pb.CreateCouponRequest()),
            (running.coupons.DisableCoupon, pb.DisableCouponRequest()),
            (running.coupons.ListCoupons, pb.ListCouponsRequest()),
        )
        for call, request in calls:
            for code, metadata in (*sessions.items(), ("PERMISSION_DENIED", support)):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await call(request, metadata=metadata)
                assert raised.value.code().name == code


async def test_sessions_read_nothing_of_coupons(shop: Shop) -> None:
    connection = await asyncpg.connect(shop.databases.url("orders"))
    try:
        for table in ("coupons", "coupon_redemptions"):
            async with connection.transaction():
                await connection.execute("set local role orders_user")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"select count(*) from orders.{table}")  # noqa: S608 - a constant
    finally:
        await connection.close()


async def use_up(running: CouponShop, shop: Shop) -> None:
    """Create a code for each reason why a code can't be used."""
    await running.create("DISABLED")
    await running.create("EXPIRED")
    await running.create("EARLY", starts_at=tomorrow())
    await running.create("USED", max_uses=1)
    await running.create("SPENT", budget=of("0.50"))
    admin = shop.databases.admin
    await admin.execute("update orders.coupons set ends_at = now() where code = 'EXPIRED'")
    await admin.execute("update orders.coupons set used = 1 where code = 'USED'")
    await admin.execute(
        "update orders.coupons set disabled_at = now(), disabled_by = 'x' where code = 'DISABLED'"
    )


CODES = ("UNKNOWN", "no such form!", "DISABLED", "EXPIRED", "EARLY", "USED", "SPENT")


async def test_unusable_codes_get_one_answer_and_the_same_statements(shop: Shop) -> None:
    list_price(shop, "20.00", least="5")
    async with open_coupons(shop) as running:
        await use_up(running, shop)
        await running.create("VALID")
        answers = {(await running.check(code)).SerializeToString() for code in CODES}
        assert len(answers) == 1
        assert (await running.check("UNKNOWN")).code == "COUPON_NOT_VALID"
        valid = await running.check("valid")
        assert (valid.valid, valid.discount) == (True, of("2"))

    statements: list[str] = []

    async def note_statements(connection: Any) -> None:
        connection.add_query_logger(lambda record: statements.append(record.query))

    async with (
        asyncpg.create_pool(shop.databases.url("orders"), init=note_statements) as pool,
        grpc.aio.insecure_channel(shop.settings.catalogue_address) as channel,
    ):
        key = shop.auth.service_role_key
        plan: Plan = await Catalogue(channel, key, timeout=PATIENCE).get_plan(UUID(shop.plan_id), 1)
        discounts, sale = Discounts(Database(pool, "orders")), sale_of(UUID(shop.plan_id), plan, 1)
        seen = []
        for code in (*CODES, "VALID"):
            statements.clear()
            try:
                await discounts.check(code, sale, staff=False)
            except Failure:
                assert code != "VALID"
            seen.append(tuple(statements))
    assert len(set(seen)) == 1
    assert sum("orders.coupons" in statement for statement in seen[0]) == 1


async def test_a_check_tells_what_applies_and_names_bad_requests(shop: Shop) -> None:
    shop.catalogue.stored_price = Decimal(17)  # the cost
    list_price(shop, "20.00", least="15")
    async with open_coupons(shop) as running:
        await running.create("TEN")
        await running.create("DOLLARS", amount=of("1", "USD"))
        await running.create("YEN", currency="JPY")
        await running.create("LARGE", minimum=of("60"))
        await running.create("OTHER-PLAN", plans=["esim_other"])
        await running.create("BELOW", percent="30")
        await running.create("LOSS", percent="30", max_loss=of("3"))
        await running.create("LESS", percent="30", max_loss=of("2.99"))
        assert (await running.check("TEN", quantity=3)).discount == of("6")
        assert (await running.check("LARGE", quantity=3)).discount == of("6")
        found = {
            code: await running.check(code)
            for code in ("DOLLARS", "YEN", "LARGE", "OTHER-PLAN", "BELOW", "LESS")
        }
        assert {answer.code for answer in found.values()} == {"COUPON_NOT_APPLICABLE"}
        assert "USD" in found["DOLLARS"].message
        assert "JPY" in found["YEN"].message
        assert "60 EUR" in found["LARGE"].message
        # The least price is not recognizable, except for the staff.
        assert found["BELOW"].message == found["OTHER-PLAN"].message
        for role in ("finance", "admin"):
            staff = await shop.session(f"{role}@example.com", role=role)
            assert "least price" in (await running.check("BELOW", session=staff)).message
        for other in (None, "support"):
            session = await shop.session(f"{other}@example.com", role=other)
            assert (await running.check("BELOW", session=session)).message == found["BELOW"].message
        assert (await running.check("LOSS")).discount == of("6")
        for changes in ({"quantity": 0}, {"quantity": 11}, {"plan_id": "x"}, {"code": ""}):
            assert await refused(running.check(**changes)) == "INVALID_ARGUMENT"
        unknown = "00000000-0000-4000-8000-000000000001"
        assert await refused(running.check(plan_id=unknown)) == "PLAN_NOT_FOUND"


async def test_without_price_lists_a_coupon_needs_a_maximum_loss(shop: Shop) -> None:
    async with open_coupons(shop) as running:
        await running.create("TEN")
        await running.create("GIFT", amount=of("0.10", "USD"), max_loss=of("0.10", "USD"))
        assert (await running.check("TEN")).code == "COUPON_NOT_APPLICABLE"
        staff = await running.check("TEN", session=shop.service_key)
        assert "maximum loss" in staff.message
        buyer = await shop.session("b@example.com")
        order = await running.buy(buyer, "GIFT")
        row = await shop.row(order.id)
        assert row["charged_cost"] - row["total_price"] == row["discount"]
        assert str(row["discount"]) == "0.1"
        assert await running.counters("GIFT") == (1, 0, "0.1", "0")


async def test_two_coupons_with_one_code_are_not_created_at_once(shop: Shop) -> None:
    async with open_coupons(shop) as running:
        outcomes = await asyncio.gather(
            *(running.create("RACE") for _ in range(10)), return_exceptions=True
        )
        assert sum(isinstance(one, pb.Coupon) for one in outcomes) == 1


async def test_a_coupon_without_a_real_start_and_end_can_be_used(shop: Shop) -> None:
    """Programs send the first and the last time that their language knows."""
    list_price(shop, "10")
    starts_at, ends_at = Timestamp(), Timestamp()
    starts_at.FromJsonString("0001-01-01T00:00:00Z")
    ends_at.FromJsonString("9999-12-31T23:59:59.999999999Z")
    async with open_coupons(shop) as service:
        created = await service.create(starts_at=starts_at, ends_at=ends_at)
        assert (await service.check()).valid
        wanted = pb.ListCouponsRequest()
        listed = await service.coupons.ListCoupons(wanted, metadata=shop.service_key)
        assert list(listed.coupons) == [created]
