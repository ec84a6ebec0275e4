"""The gRPC methods of the coupons service."""

from kit.auth.sessions import Role
from kit.db.database import Database
from kit.errors import Failure, Kind
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context
from kit.values import checks, money
from protos.orders.v1 import coupons_pb2 as pb
from protos.orders.v1 import coupons_pb2_grpc
from services.orders.coupons import messages, requests, store
from services.orders.coupons.coupon import CouponReason
from services.orders.coupons.redeem import Discounts, sale_of
from services.orders.organizations.callers import actor
from services.orders.peers import Catalogue

REASONS = frozenset(CouponReason)
# Roles that may see how a price relates to the cost.
COST_ROLES = frozenset({Role.FINANCE, Role.ADMIN, Role.SERVICE})


class CouponsServicer(coupons_pb2_grpc.CouponsServiceServicer):
    """Manages coupons, and returns to any caller what a coupon would subtract."""

    def __init__(self, database: Database, catalogue: Catalogue, discounts: Discounts) -> None:
        self._database = database
        self._catalogue = catalogue
        self._discounts = discounts

    async def CreateCoupon(
        self, request: pb.CreateCouponRequest, context: Context
    ) -> pb.CreateCouponResponse:
        rules = requests.create(request, self._database.now())
        async with self._database.system() as connection:
            created = await store.create(connection, rules, actor())
        if created is None:
            raise Failure(
                Kind.CONFLICT,
                "COUPON_EXISTS",
                f"There is a coupon with the code {rules.code} already; choose another code",
            )
        return pb.CreateCouponResponse(coupon=messages.coupon_to_proto(created))

    async def DisableCoupon(
        self, request: pb.DisableCouponRequest, context: Context
    ) -> pb.DisableCouponResponse:
        coupon_id = checks.one_id("coupon_id", request.coupon_id)
        async with self._database.system() as connection:
            disabled = await store.disable(connection, coupon_id, actor())
        if disabled is None:
            raise Failure(
                Kind.NOT_FOUND, "COUPON_NOT_FOUND", "No coupon has this id; list the coupons"
            )
        return pb.DisableCouponResponse(coupon=messages.coupon_to_proto(disabled))

    async def ListCoupons(
        self, request: pb.ListCouponsRequest, context: Context
    ) -> pb.ListCouponsResponse:
        size, after = requests.listing(request)
        async with self._database.system() as connection:
            # One more than requested, to find out if there is a next page.
            found = await store.list_page(connection, after, size + 1)
        page = found[:size]
        return pb.ListCouponsResponse(
            coupons=map(messages.coupon_to_proto, page),
            next_page_token=requests.next_page(request, page[-1]) if len(found) > size else "",
        )

    async def CheckCoupon(
        self, request: pb.CheckCouponRequest, context: Context
    ) -> pb.CheckCouponResponse:
        code, plan_id, quantity, currency = requests.check(request)
        # Before the code is looked up, so that failures of the plan say nothing about the code.
        plan = await self._catalogue.get_plan(plan_id, quantity, currency)
        staff = rpc_guard.session().role in COST_ROLES
        try:
            discount = await self._discounts.check(
                code, sale_of(plan_id, plan, quantity), staff=staff
            )
        except Failure as failure:
            if failure.reason not in REASONS:
                raise
            return pb.CheckCouponResponse(code=failure.reason, message=failure.message)
        return pb.CheckCouponResponse(valid=True, discount=money.to_proto(discount, plan.currency))
