"""Claims an order: the intent to buy, recorded and committed before the provider is asked."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from kit.auth import Role, Session
from kit.db import Database
from kit.errors import Failure, Kind
from services.orders import order, refusals, store
from services.orders.datasource import OrdersDataSource
from services.orders.order import FailureReason, Order, OrderRequest, Plan, Target
from services.orders.peers import Catalogue, ESIMs
from services.orders.provider_order import MOST_PLACES

# Of our own limits: none of these proves that the order can't be bought.
NOT_ASKED = frozenset({Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.DEADLINE})


@dataclass(frozen=True, slots=True)
class Claimed:
    """The order of a request; `repeated` says that an earlier call made it."""

    order: Order
    repeated: bool


def check_buyer(session: Session) -> None:
    """Raises Failure FORBIDDEN (CUSTOMER_SESSION_REQUIRED) for the service role key."""
    if session.role is Role.SERVICE:
        raise Failure(
            Kind.FORBIDDEN,
            "CUSTOMER_SESSION_REQUIRED",
            "An order belongs to a customer: send the access token of the one who buys",
        )


class Claims:
    """Records what customers want to buy, each request once.

    A price that the catalogue confirmed longer ago than `price_ttl` is asked of the provider first.
    """

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        catalogue: Catalogue,
        esims: ESIMs,
        *,
        price_ttl: timedelta,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._catalogue = catalogue
        self._esims = esims
        self._price_ttl = price_ttl

    async def claim(self, session: Session, request: OrderRequest) -> Claimed:
        """The order for this request, new or from an earlier call.

        Raises Failure CONFLICT (IDEMPOTENCY_CONFLICT), REFUSED with PRICE_CHANGED or
        ESIM_INCOMPATIBLE, NOT_FOUND (ESIM_NOT_FOUND), and what the catalogue says of the plan.
        """
        earlier = await self._earlier(session, request)
        if earlier is not None:
            return earlier
        plan = await self._catalogue.get_plan(request.plan_id, request.quantity, session.token)
        target = await self._target(session, request, plan)
        plan = await self._confirmed(request, plan, target)
        total = plan.price * request.quantity
        if not refusals.within(request.max_price, request.max_total, plan.price, total):
            raise refusals.price_changed(plan.price, total, plan.currency)
        async with self._database.system() as connection:
            if request.prevent_duplicates:
                twin = await store.find_twin(connection, request)
                if twin is not None:
                    return Claimed(twin, repeated=True)
            claimed = await store.claim(connection, request, plan, target)
            if claimed is not None:
                await store.record_asked(connection, claimed, request.customer_id, "claimed")
                return Claimed(claimed, repeated=False)
        # Another call with the same key came first.
        earlier = await self._earlier(session, request)
        if earlier is None:
            raise LookupError("an order whose key is taken cannot be read by its customer")
        return earlier

    async def _target(self, session: Session, request: OrderRequest, plan: Plan) -> Target | None:
        if request.esim_id is None:
            return None
        target = await self._esims.get_target(
            request.esim_id, request.customer_id, plan.bundle_name, session.token
        )
        if not target.fits and not request.allow_reassign:
            raise Failure(
                Kind.REFUSED,
                FailureReason.ESIM_INCOMPATIBLE,
                "This plan does not fit that eSIM: buy it for a new one, or allow that it comes on"
                " one",
            )
        return target

    async def _confirmed(self, request: OrderRequest, plan: Plan, target: Target | None) -> Plan:
        """The plan with a price that may be relied on.

        Without a limit of the buyer's the stored price serves while the provider is away: the
        purchase itself will find that out. With one nothing is promised that nobody can confirm.
        """
        known = plan.confirmed_at
        if known is not None and datetime.now(UTC) - known <= self._price_ttl:
            return plan
        try:
            told = await self._datasource.validate_order(
                plan.bundle_name,
                request.quantity,
                target.iccid if target else None,
                allow_reassign=target is not None and not target.fits,
            )
        except Failure as failure:
            if failure.kind in NOT_ASKED:
                if request.max_price is None and request.max_total is None:
                    return plan
                raise Failure(
                    Kind.UNAVAILABLE,
                    "PRICE_NOT_CONFIRMED",
                    "The price could not be confirmed, and nothing was bought; try again soon",
                    retry_after=failure.retry_after,
                ) from failure
            raise _refused(refusals.reason_of(failure, for_esim=target is not None)) from failure
        if not told.valid:
            raise _refused(FailureReason.NOT_SOLD_NOW)
        if told.total is None:
            return plan
        each = round(told.total / request.quantity, MOST_PLACES)
        return replace(plan, price=each, currency=told.currency or plan.currency)

    async def _earlier(self, session: Session, request: OrderRequest) -> Claimed | None:
        if request.idempotency_key is None:
            return None
        async with self._database.session(session) as connection:
            found = await store.find_by_key(
                connection, request.customer_id, request.idempotency_key
            )
        if found is None:
            return None
        if not found.answers(request):
            raise Failure(
                Kind.CONFLICT,
                "IDEMPOTENCY_CONFLICT",
                "This idempotency key belongs to another request; use a new key for a new order",
                details={"order_id": str(found.id)},
            )
        return Claimed(found, repeated=True)


def _refused(reason: FailureReason) -> Failure:
    """What the provider would refuse, before anything is recorded; the shop's money is its own matter."""
    shown = FailureReason.NOT_SOLD_NOW if reason is FailureReason.INSUFFICIENT_BALANCE else reason
    return Failure(Kind.REFUSED, shown, order.REFUSED_WORDS[reason])
