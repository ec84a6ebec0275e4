"""Finds out from the provider which bundles of an order can be revoked, and what would be refunded."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kit.db.database import Database
from kit.errors import Failure, Kind
from providers.esim_go.client import Priority
from services.orders.cancellation import revocation_store
from services.orders.cancellation.check import check_unused, in_use, not_taken_back
from services.orders.cancellation.revocation import Revocation
from services.orders.datasource import OrdersDataSource
from services.orders.order import DeliveredESIM, Order, Refund
from services.orders.provider.provider_bundle import REVOKED_STATE, BundleOnESIM, read_refund
from services.orders.provider.provider_order import bad_answer

logger = logging.getLogger(__name__)

# Reasons why the provider lists no bundles of an eSIM that was deleted there.
DELETED = ("PROVIDER_NOT_FOUND", "PROVIDER_GONE")
# What the provider's history calls the refunds of a bundle.
REFUND_EVENTS = {
    "bundle refunded to balance": Refund.BALANCE,
    "bundle refunded to inventory": Refund.INVENTORY,
}


@dataclass(frozen=True, slots=True)
class Held:
    """The bundles that the provider lists on the `expected` eSIMs of an order, without cancelled ones."""

    bundles: Sequence[tuple[Revocation, BundleOnESIM]]
    expected: int

    def whole(self) -> Sequence[tuple[Revocation, BundleOnESIM]]:
        """Return all bundles; raises Failure REFUSED unless all are unused."""
        check_unused([bundle for _, bundle in self.bundles], self.expected)
        return self.bundles

    def unused(self) -> Sequence[tuple[Revocation, BundleOnESIM]]:
        """Return the unused bundles; raises Failure REFUSED (ORDER_IN_USE) if there are none."""
        found = [(r, b) for r, b in self.bundles if b.unused or b.state == REVOKED_STATE]
        if not found:
            raise in_use(partly=False)
        return found


@dataclass(frozen=True, slots=True)
class Choice:
    """How a bundle would be revoked; `refund` is None if the provider doesn't report it."""

    revocation: Revocation
    to_balance: bool
    refund: Refund | None


class Examination:
    """Examines orders with reads and validations only: it changes nothing at the provider."""

    def __init__(self, database: Database, datasource: OrdersDataSource) -> None:
        self._database = database
        self._datasource = datasource

    async def revoked(self, order: Order) -> frozenset[str]:
        """Return the ICCIDs whose bundles earlier cancellations of an order have revoked."""
        async with self._database.system() as connection:
            known = await revocation_store.list_revocations(connection, order.id)
        return frozenset(r.iccid for r in known if r.state == "REVOKED")

    async def held(
        self, order: Order, esims: Sequence[DeliveredESIM], revoked: frozenset[str]
    ) -> Held:
        """Return the bundles of an order that are left at the provider, without those of `revoked` eSIMs.

        Raises Failure REFUSED (ORDER_NOT_CANCELLABLE) for an eSIM that the provider doesn't know.
        """
        left = [esim.iccid for esim in esims if esim.iccid not in revoked]
        found = await asyncio.gather(*(self._bundles(order, iccid) for iccid in left))
        return Held(
            [
                (_planned(iccid, b), b)
                for iccid, bundles in zip(left, found, strict=True)
                for b in bundles
            ],
            len(left),
        )

    async def _bundles(self, order: Order, iccid: str) -> list[BundleOnESIM]:
        try:
            bundles = await self._datasource.get_bundles(iccid)
        except Failure as failure:
            if failure.kind not in (Kind.REFUSED, Kind.NOT_FOUND):
                raise
            raise not_taken_back() from failure
        reference = order.provider_reference or ""
        # An unreadable assignment of the same plan may belong to this order even without a reference.
        names = ("", order.bundle_name)
        if any(
            b.belongs_to(reference) or (not b.reference and b.bundle_name in names)
            for b in bundles
            if not b.readable
        ):
            raise bad_answer("an assignment lacks id, name or bundleState")
        return [b for b in bundles if b.belongs_to(reference)]

    async def choose(
        self,
        bundles: Sequence[tuple[Revocation, BundleOnESIM]],
        priority: Priority = Priority.WRITE,
    ) -> list[Choice]:
        """Validate with the provider what revoking each bundle would refund, preferring the balance.

        Raises Failure REFUSED (ORDER_NOT_CANCELLABLE) if one of them can't be revoked.
        """
        return list(await asyncio.gather(*(self._choose(r, b, priority) for r, b in bundles)))

    async def _choose(
        self, revocation: Revocation, bundle: BundleOnESIM, priority: Priority
    ) -> Choice:
        """Choose how to revoke a bundle; without a refund it is revoked too, as that was requested.

        A bundle that is revoked already counts as started, so that its refund is looked up.
        """
        if bundle.state == REVOKED_STATE:
            return Choice(replace(revocation, state="STARTED"), to_balance=False, refund=None)
        accepted: bool | None = None
        refusal: Failure | None = None
        for to_balance in (True, False):
            try:
                answer = await self._datasource.cancel_order(
                    revocation.iccid,
                    revocation.bundle_name,
                    revocation.assignment_id,
                    to_balance=to_balance,
                    validate=True,
                    priority=priority,
                )
            except Failure as failure:
                if failure.kind is not Kind.REFUSED:
                    raise
                refusal = failure
                continue
            # The text of a validation is not documented: only an explicit "no refund" counts as one.
            refund = read_refund(answer)
            if refund is not Refund.NONE:
                return Choice(revocation, to_balance, refund)
            accepted = to_balance
        if accepted is None:
            raise not_taken_back() from refusal
        return Choice(revocation, accepted, Refund.NONE)

    async def is_revoked(self, revocation: Revocation) -> bool:
        """Return whether the provider lists the bundle as revoked, or no longer lists it.

        False for one on a deleted eSIM, unless the answer to an earlier revoke may have been lost.
        """
        try:
            bundles = await self._datasource.get_bundles(revocation.iccid)
        except Failure as failure:
            if failure.reason in DELETED and revocation.state == "PLANNED":
                return False
            raise
        names = ("", revocation.bundle_name)
        if any(not b.assignment_id and b.bundle_name in names for b in bundles):
            raise bad_answer("an assignment lacks id")
        found = [b for b in bundles if b.assignment_id == revocation.assignment_id]
        return all(b.state == REVOKED_STATE for b in found)

    async def refund_in_history(self, revocation: Revocation) -> Refund | None:
        """Read the refund from the eSIM's history, when the answer itself was lost or unclear.

        None when several bundles of that name were refunded in different ways.
        """
        try:
            events = await self._datasource.get_events(revocation.iccid)
        except Failure as failure:
            logger.warning("refund of a revoked bundle is not known: %s", failure)
            return None
        refunds = {
            REFUND_EVENTS[name.lower()]
            for name, bundle in events
            if bundle == revocation.bundle_name and name.lower() in REFUND_EVENTS
        }
        if not refunds:
            return Refund.NONE
        return refunds.pop() if len(refunds) == 1 else None


def _planned(iccid: str, bundle: BundleOnESIM) -> Revocation:
    return Revocation(
        iccid, bundle.assignment_id, bundle.bundle_name, "PLANNED", None, used=bundle.touched
    )
