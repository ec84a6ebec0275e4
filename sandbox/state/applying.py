"""Applies bundles of the inventory to eSIMs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sandbox.state.ordering import MOST_BUNDLES, complete_or_wait, open_order, target
from sandbox.state.records import Line, Lot, Order
from sandbox.state.refusal import Refusal, bad
from sandbox.state.stock import available
from sandbox.state.world import World


@dataclass(frozen=True, slots=True)
class Application:
    """A bundle for an eSIM, or for `repeat` new ones without an ICCID."""

    bundle: str
    iccid: str | None = None
    repeat: int = 1
    reassign: bool = False
    begins_at: datetime | None = None


def apply(world: World, applications: list[Application], source_ip: str, at: datetime) -> Order:
    """Take the bundles out of the inventory and assign them; nothing is charged.

    All applications are checked before the first one is executed.
    """
    if sum(application.repeat for application in applications) > MOST_BUNDLES:
        raise bad(f"at most {MOST_BUNDLES} bundles can be applied at once")
    lines: list[Line] = []
    taken: list[Lot] = []
    for application in applications:
        bundle = world.catalogue.known(application.bundle)
        if bundle is None:
            raise bad(
                f"bundle {application.bundle!r} is not in the catalogue; names are case-sensitive"
            )
        esim = None
        if application.iccid is not None:
            esim = target(world, application.iccid, bundle, reassign=application.reassign)
        lots = _take(world, application, taken, at)
        taken += lots
        lines += [
            Line(
                item="",
                quantity=0,
                price=Decimal(),
                type="bundleAssignment",
                reassign=application.reassign,
                asked=(esim.iccid,) if esim else (),
                lot=lot.usage_id,
                bundle=bundle.name,
                begins_at=application.begins_at,
            )
            for lot in lots
        ]
    for lot in taken:
        lot.remaining -= 1
    order = open_order(
        world, tuple(lines), total=Decimal(), assigned=True, source_ip=source_ip, at=at
    )
    complete_or_wait(world, order, at)
    return order


def _take(world: World, application: Application, taken: list[Lot], at: datetime) -> list[Lot]:
    found: list[Lot] = []
    for lot in available(world, application.bundle, at):
        left = lot.remaining - taken.count(lot)
        found += [lot] * min(left, application.repeat - len(found))
    if len(found) < application.repeat:
        raise Refusal(
            world.switches.no_inventory_status,
            f"no bundle {application.bundle!r} is left in the inventory: order it with assign: false",
        )
    return found
