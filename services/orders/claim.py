"""Claims an order: the intent to buy, recorded and committed before the provider is asked."""

from dataclasses import dataclass

from kit.auth import Role, Session
from kit.db import Database
from kit.errors import Failure, Kind
from services.orders import store
from services.orders.order import Order, OrderRequest
from services.orders.peers import Catalogue


@dataclass(frozen=True, slots=True)
class Claimed:
    """The order of a request; `repeated` says that an earlier call with the same key made it."""

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
    """Records what customers want to buy, each request once."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def claim(self, session: Session, request: OrderRequest) -> Claimed:
        """The order for this request, new or from an earlier call with the same key.

        Raises Failure CONFLICT (IDEMPOTENCY_CONFLICT), and what the catalogue says of the plan.
        """
        earlier = await self._earlier(session, request)
        if earlier is not None:
            return earlier
        plan = await self._catalogue.get_plan(request.plan_id, request.quantity, session.token)
        async with self._database.system() as connection:
            order = await store.claim(connection, request, plan)
            if order is not None:
                await store.record_asked(connection, order, request.customer_id, "claimed")
                return Claimed(order, repeated=False)
        # Another call with the same key came first.
        earlier = await self._earlier(session, request)
        if earlier is None:
            raise LookupError("an order whose key is taken cannot be read by its customer")
        return earlier

    async def _earlier(self, session: Session, request: OrderRequest) -> Claimed | None:
        if request.idempotency_key is None:
            return None
        async with self._database.session(session) as connection:
            order = await store.find_by_key(
                connection, request.customer_id, request.idempotency_key
            )
        if order is None:
            return None
        if not order.answers(request):
            raise Failure(
                Kind.CONFLICT,
                "IDEMPOTENCY_CONFLICT",
                "This idempotency key belongs to another request; use a new key for a new order",
                details={"order_id": str(order.id)},
            )
        return Claimed(order, repeated=True)
