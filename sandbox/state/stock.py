"""New eSIMs, and the inventory of bundles that are not yet assigned."""

from datetime import datetime, timedelta
from decimal import Decimal

from sandbox.state.bundles import Bundle
from sandbox.state.lifecycle import INACTIVITY
from sandbox.state.records import Esim, Lot
from sandbox.state.refusal import Refusal, bad
from sandbox.state.world import World

# The SM-DP+ of every eSIM; .example is reserved, so no phone can reach it.
SMDP_HOST = "rsp-0042.sandbox.example"
# The provider does not document how long it keeps an inventory; a year is assumed.
INVENTORY_KEPT = timedelta(days=365)


def new_esim(world: World, bundle: Bundle, branding: str, at: datetime) -> Esim:
    """Create an eSIM with the operator profile of the bundle."""
    made = world.ids.profile()
    esim = Esim(
        iccid=made.iccid,
        matching_id=made.matching_id,
        smdp_host=SMDP_HOST,
        pin=made.pin,
        puk=made.puk,
        eid=made.eid,
        imei=made.imei,
        number=made.msisdn,
        profile=bundle.profile,
        branding=branding or "(default)",
        assigned_at=at,
        last_activity=at,
    )
    world.at(at + INACTIVITY, "inactive", esim.iccid)
    return world.esims.add(esim.iccid, esim)


def add_lot(world: World, bundle: str, quantity: int, price: Decimal, bought_at: datetime) -> Lot:
    """Add bundles to the inventory."""
    usage_id = world.ids.lot()
    expires = bought_at + INVENTORY_KEPT
    lot = Lot(usage_id, bundle, quantity, quantity, price, bought_at, expires)
    return world.lots.add(str(usage_id), lot)


def available(world: World, bundle: str, at: datetime) -> list[Lot]:
    """Return the lots of that bundle that are not used up, the first to expire first."""
    lots = [
        lot
        for lot in world.lots
        if lot.bundle == bundle and lot.remaining > 0 and lot.expires_at > at
    ]
    return sorted(lots, key=lambda lot: (lot.expires_at, lot.usage_id))


def put_back(world: World, bundle: str, lot: int | None, price: Decimal, bought: datetime) -> None:
    """Return one bundle to its lot, or to a new one."""
    origin = world.lots.get(str(lot)) if lot is not None else None
    if origin is not None and origin.remaining < origin.total:
        origin.remaining += 1
    else:
        add_lot(world, bundle, 1, price, bought)


def refund_lot(world: World, usage_id: int, quantity: int, at: datetime) -> None:
    """Refund unused bundles of one lot to the balance."""
    if not world.switches.refunds:
        raise Refusal(403, "refunds are not enabled for this organisation")
    lot = world.lots.get(str(usage_id))
    if lot is None:
        raise bad(f"no usageId {usage_id} in the inventory; GET /inventory lists them")
    if quantity > lot.remaining:
        raise bad(f"only {lot.remaining} of usageId {usage_id} remain")
    if not refundable_since(world, lot.bought_at, at):
        raise bad(f"bundles bought more than {world.switches.refund_days} days ago stay bought")
    lot.remaining -= quantity
    world.book("refund", lot.price * quantity, str(usage_id), at)


def refundable_since(world: World, bought_at: datetime, at: datetime) -> bool:
    """Return True if the purchase is recent enough for a refund."""
    return at - bought_at <= timedelta(days=world.switches.refund_days)
