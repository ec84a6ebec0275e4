"""Operations of `esimgo coupons`: listing, creating and disabling coupons."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output
from cli.operators.moments import stamp
from cli.operators.service import Service, connect
from kit.values import money
from protos.common.v1 import money_pb2
from protos.orders.v1 import coupons_pb2 as pb
from protos.orders.v1.coupons_pb2_grpc import CouponsServiceStub

PAGE = 500
TITLES = ("id", "code", "reduction", "used", "reserved", "spent", "ends", "state")


@dataclass(frozen=True, slots=True)
class NewCoupon:
    """The options of `create`. A time without a zone is in this machine's zone."""

    percent: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    minimum: Decimal | None = None
    budget: Decimal | None = None
    max_loss: Decimal | None = None
    max_uses: int = 0
    per_customer: int = 0
    first_purchase: bool = False
    starts: datetime | None = None
    ends: datetime | None = None
    plans: Sequence[str] = ()
    groups: Sequence[str] = ()
    countries: Sequence[str] = ()

    def to_proto(self, code: str) -> pb.Coupon:
        """Return the message; raise CommandError for an amount without a currency."""
        coupon = pb.Coupon(
            code=code,
            currency=(self.currency or "").upper(),
            amount=self._money(self.amount),
            starts_at=stamp(self.starts),
            ends_at=stamp(self.ends),
            plans=self.plans,
            groups=self.groups,
            countries=self.countries,
            minimum=self._money(self.minimum),
            max_uses=self.max_uses,
            max_uses_per_customer=self.per_customer,
            budget=self._money(self.budget),
            first_purchase_only=self.first_purchase,
            max_loss=self._money(self.max_loss),
        )
        if self.percent is not None:
            coupon.percent = self.percent
        return coupon

    def _money(self, amount: Decimal | None) -> money_pb2.Money | None:
        if amount is None:
            return None
        if self.currency is None:
            raise CommandError("an amount requires its currency: pass --currency, such as EUR")
        try:
            return money.to_proto(amount, self.currency.upper())
        except ValueError as error:
            raise CommandError(f"{amount} is not an amount of money: {error}") from error


@dataclass(frozen=True, slots=True)
class Coupons:
    """The coupons for the finance staff. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def list_coupons(self, limit: int) -> list[str]:
        """List coupons, newest first."""
        request = pb.ListCouponsRequest(page_size=min(limit, PAGE))
        return self._table(await self.service.listed("ListCoupons", request, "coupons", limit))

    async def create(self, code: str, options: NewCoupon) -> list[str]:
        """Create a coupon."""
        request = pb.CreateCouponRequest(coupon=options.to_proto(code))
        created = (await self.service.call("CreateCoupon", request)).coupon
        if self.as_json:
            return output.document(created)
        return [f"{created.code} was created: {created.id}"]

    async def disable(self, coupon: str) -> list[str]:
        """End a coupon now. Idempotent."""
        request = pb.DisableCouponRequest(coupon_id=await self._id_of(coupon))
        disabled = (await self.service.call("DisableCoupon", request)).coupon
        if self.as_json:
            return output.document(disabled)
        return [f"{disabled.code} is disabled; orders that have it keep their discount"]

    async def _id_of(self, coupon: str) -> str:
        """Return the id of a coupon that is named by its id or its code."""
        try:
            return str(UUID(coupon))
        except ValueError:
            request = pb.ListCouponsRequest(page_size=PAGE)
        while True:
            page = await self.service.call("ListCoupons", request)
            for found in page.coupons:
                if found.code == coupon.upper():
                    return str(found.id)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                raise CommandError(
                    f"no coupon has the id or code {coupon}: list them with `esimgo coupons list`"
                )

    def _table(self, found: list[pb.Coupon]) -> list[str]:
        if self.as_json:
            return output.document(found)
        return output.table(TITLES, map(_row, found), "no coupon")


@asynccontextmanager
async def open_coupons(
    access: Access, token: str | None, *, as_json: bool
) -> AsyncIterator[Coupons]:
    """Connect with the token of the finance staff, or else with the service role key."""
    async with connect(access, "orders", CouponsServiceStub, token=token) as service:
        yield Coupons(service, as_json)


def _row(coupon: pb.Coupon) -> tuple[str, ...]:
    return (
        coupon.id,
        coupon.code,
        output.amount(coupon.amount) if coupon.HasField("amount") else f"{coupon.percent} %",
        f"{coupon.used} of {coupon.max_uses}" if coupon.max_uses else str(coupon.used),
        str(coupon.reserved),
        output.amount(coupon.spent) if coupon.HasField("spent") else "",
        output.moment(coupon, "ends_at"),
        "disabled" if coupon.disabled else "enabled",
    )
