"""Calls the provider's order endpoints."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from kit.values.clock import Clock
from kit.values.plain_text import from_json as text
from providers.esim_go.client import Priority, Provider, segment
from services.orders.order import DeliveredESIM
from services.orders.provider.provider_bundle import BundleOnESIM, read_bundles
from services.orders.provider.provider_history import History
from services.orders.provider.provider_order import (
    ConfirmedPrice,
    ProviderOrder,
    Validation,
    bad_answer,
    balance,
    read_esims,
    read_order,
    read_orders,
    read_validation,
)

# Seconds for which install details are cached.
ASSIGNMENTS_TTL = 300.0
# Rows per page; the provider's maximum is not documented.
PAGE_SIZE = 100
# Guards against a list that never ends.
MAX_PAGES = 500
# The provider lists at most this many assignments of one eSIM.
MAX_ASSIGNMENTS = 200


class OrdersDataSource:
    """The provider's order endpoints.

    Every method raises Failure: those of providers.esim_go.client, or UNAVAILABLE (PROVIDER_BAD_ANSWER) for
    an answer without essential fields. Orders are never cached, because payments are settled by them. Calls
    have the highest priority, for purchases, unless the caller passes a lower one.
    """

    def __init__(self, provider: Provider, cache: Cache, clock: Clock | None = None) -> None:
        self._provider = provider
        self._cache = cache
        self._clock = clock or Clock()

    @property
    def held(self) -> float:
        """Seconds for which no orders are sent because the provider requested a pause.

        Infinity while another call probes whether the provider accepts calls again.
        """
        return self._provider.held("POST", "/orders")

    @property
    def held_until(self) -> datetime | None:
        """The time until which calls to the provider are held back; None if they are not."""
        return self._provider.holds.until

    async def create_order(
        self,
        bundle_name: str,
        quantity: int,
        iccid: str | None = None,
        *,
        allow_reassign: bool = False,
        priority: Priority = Priority.WRITE,
    ) -> ProviderOrder:
        """Buy: POST /orders of type transaction, one new eSIM for each bundle. Never retried.

        With an ICCID the bundle goes to that eSIM, or with `allow_reassign` to a new one if it doesn't fit.
        According to the provider's guide the answer contains the eSIMs, except perhaps above 5 bundles.
        Raises Failure UNCLEAR if the provider may have accepted it, for example after an unreadable answer.
        """
        answer = await self._provider.send(
            "POST",
            "/orders",
            json=_request("transaction", bundle_name, quantity, iccid, allow_reassign),
            priority=priority,
        )
        try:
            return read_order(answer)
        except Failure as failure:
            raise bad_answer(failure.details["problem"], Kind.UNCLEAR) from failure

    async def get_balance(self) -> Decimal:
        """Return the organization's balance, including test credit: GET /organisation.

        The response also contains the API key and personal data, so only its balance is read.
        """
        answer = await self._provider.get("/organisation", priority=Priority.SYNC)
        found = balance(answer.get("balance")) if isinstance(answer, dict) else None
        if found is None:
            raise bad_answer("the organization has no balance")
        return found

    async def validate_order(
        self,
        bundle_name: str,
        quantity: int,
        iccid: str | None = None,
        *,
        allow_reassign: bool = False,
        priority: Priority = Priority.WRITE,
    ) -> Validation:
        """Return the price of an order, and whether the provider would accept it. Charges nothing.

        Raises Failure REFUSED with the provider's reason when it would not.
        """
        try:
            answer = await self._provider.send(
                "POST",
                "/orders",
                json=_request("validate", bundle_name, quantity, iccid, allow_reassign),
                priority=priority,
            )
        except Failure as failure:
            if failure.kind is Kind.UNCLEAR:
                raise _nothing_done(failure) from failure
            raise
        return read_validation(answer)

    async def get_price(
        self, bundle_name: str, max_age: float, priority: Priority = Priority.WRITE
    ) -> ConfirmedPrice:
        """Return the price of one bundle, confirmed by `validate_order` at most `max_age` seconds ago.

        It says when the provider was queried, because a cached price is older than this call. Only confirmed
        prices are cached; every failure is raised and not cached. Raises Failure as `validate_order` does,
        and REFUSED (NOT_VALID) if the order would not be accepted.
        """

        async def load() -> ConfirmedPrice:
            queried_at = self._clock.wall()
            answer = await self.validate_order(bundle_name, 1, priority=priority)
            if not answer.valid:
                raise Failure(
                    Kind.REFUSED, "NOT_VALID", "The provider rejects this order in its validation"
                )
            if answer.total is None:
                raise bad_answer("the validation has no total")
            return ConfirmedPrice(answer.total, answer.currency, queried_at)

        return await self._cache.get_or_load(
            "price_and_query_time",  # entries of "confirmed_price" are of earlier releases
            bundle_name,
            max_age,
            load,
            dump=lambda price: [price.total, price.currency, price.queried_at.isoformat()],
            parse=lambda row: ConfirmedPrice(row[0], row[1], datetime.fromisoformat(row[2])),
        )

    async def get_order(
        self, reference: str, *, priority: Priority = Priority.WRITE
    ) -> ProviderOrder:
        """Return one order with its eSIMs; an unknown reference is REFUSED (400)."""
        path = f"/orders/{segment(reference)}"
        order = read_order(await self._provider.get(path, priority=priority))
        if order.reference.casefold() != reference.casefold():
            raise bad_answer("it is another order")
        return order

    async def get_orders(
        self, since: datetime, until: datetime | None = None, *, priority: Priority = Priority.WRITE
    ) -> list[ProviderOrder]:
        """Return the readable orders made from `since` on (and before `until`), with their eSIMs."""
        return list((await self.get_history(since, until, priority=priority)).orders.values())

    async def get_history(
        self, since: datetime, until: datetime | None = None, *, priority: Priority = Priority.WRITE
    ) -> History:
        """Read every page of the orders made from `since` on (and before `until`), unreadable rows too."""
        params = [("includeIccids", "true"), ("limit", str(PAGE_SIZE))]
        params.append(("createdAt", f"gte:{_iso(since)}"))
        if until is not None:
            params.append(("createdAt", f"lte:{_iso(until)}"))
        history, old_pages = History(), 0
        for page in range(1, MAX_PAGES + 1):
            answer = await self._provider.get(
                "/orders", [*params, ("page", str(page))], priority=priority
            )
            if answer is None and page > 1:  # an empty page
                return history
            rows, pages = read_orders(answer)
            old_pages = 0 if history.add(rows) else old_pages + 1
            # A short page may not be the last one, because the provider may cap page sizes silently. A page
            # without new rows may repeat the previous one, because that many orders were placed meanwhile. If
            # the next page has none either, the provider ignores page numbers.
            if not rows or (pages is not None and page >= pages) or old_pages > 1:
                return history
        raise bad_answer("GET /orders has too many pages")

    async def get_order_assignments(
        self, reference: str, *, priority: Priority = Priority.WRITE
    ) -> list[DeliveredESIM]:
        """Return the install details of an order's eSIMs: GET /esims/assignments, as JSON.

        Raises Failure UNAVAILABLE PROVIDER_PROCESSING (503) while they are being prepared.
        """
        params = {"reference": reference}
        return read_esims(await self._provider.get("/esims/assignments", params, priority=priority))

    async def get_cached_order_assignments(self, reference: str) -> list[DeliveredESIM]:
        """Return install details at most 300 s old, cached only in memory because they are secret."""
        return await self._cache.get_or_load(
            "order_assignments",
            reference,
            ASSIGNMENTS_TTL,
            lambda: self.get_order_assignments(reference, priority=Priority.READ),
            dump=lambda esims: [[e.iccid, e.matching_id, e.smdp_address] for e in esims],
            parse=lambda rows: [DeliveredESIM(*row) for row in rows],
            secret=True,
        )

    async def get_bundles(self, iccid: str) -> list[BundleOnESIM]:
        """Return every assignment on an eSIM, used-up ones too."""
        answer = await self._provider.get(
            f"/esims/{segment(iccid)}/bundles",
            {"includeUsed": "true", "limit": str(MAX_ASSIGNMENTS)},
        )
        return read_bundles(answer)

    async def cancel_order(
        self,
        iccid: str,
        bundle: str,
        assignment_id: str,
        *,
        to_balance: bool,
        validate: bool,
        priority: Priority = Priority.WRITE,
    ) -> str:
        """Revoke one bundle of an order, or with `validate` check if that would succeed.

        The provider cancels no orders: an order is cancelled by this call for each of its bundles.
        Returns the provider's text, the only description of the refund (see `read_refund`). Safe to repeat,
        because it names the assignment: if that is revoked already, the call is REFUSED.
        """
        path = f"/esims/{segment(iccid)}/bundles/{segment(bundle)}/assignments/{segment(assignment_id)}"
        params = {
            "type": "validate" if validate else "transaction",
            "refundToBalance": "true" if to_balance else "false",
        }
        try:
            answer = await self._provider.send("DELETE", path, params=params, priority=priority)
        except Failure as failure:
            if validate and failure.kind is Kind.UNCLEAR:
                raise _nothing_done(failure) from failure
            raise
        return text(answer.get("status")) if isinstance(answer, Mapping) else ""

    async def get_events(self, iccid: str) -> list[tuple[str, str]]:
        """Return the names and bundle names of an eSIM's history, in the provider's order."""
        answer = await self._provider.get(f"/esims/{segment(iccid)}/history")
        rows = answer if isinstance(answer, list) else [answer]
        return [
            (text(row.get("name")), text(row.get("bundleName") or row.get("bundle")))
            for row in rows
            if isinstance(row, Mapping)
        ]


def _nothing_done(failure: Failure) -> Failure:
    """Return the failure for a validation without a clear answer, which can't have bought anything."""
    return Failure(
        Kind.UNAVAILABLE,
        "PROVIDER_ERROR",
        "The provider failed; try again later.",
        retry_after=failure.retry_after,
        details=failure.details,
    )


def _request(
    kind: str, bundle_name: str, quantity: int, iccid: str | None, allow_reassign: bool
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "type": "bundle",
        "item": bundle_name,
        "quantity": quantity,
        "allowReassign": allow_reassign,
    }
    if iccid is not None:
        line["iccids"] = [iccid]
    return {"type": kind, "assign": True, "order": [line]}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
