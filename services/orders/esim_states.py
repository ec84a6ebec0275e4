"""Reads from the answers of the esims service which eSIMs are installed, and which bundles are in use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from protos.esims.v1 import esims_pb2
from services.orders.order import Order

# Profile statuses of eSIMs that are, or were, on a device, in lower case.
INSTALLED = frozenset({"downloaded", "installed", "unavailable", "deactivated"})
UNUSED = frozenset({esims_pb2.BUNDLE_STATE_PROCESSING, esims_pb2.BUNDLE_STATE_INACTIVE})


@dataclass(frozen=True, slots=True)
class ESIMState:
    """An eSIM, and how many bundles of its order's plan on it are in use (or were), and are not."""

    installed: bool
    used: int
    unused: int


def read(
    orders: Sequence[Order],
    esims: Iterable[tuple[UUID, esims_pb2.ESIM]],
    listed: Iterable[esims_pb2.ESIMBundle],
) -> dict[UUID, list[ESIMState]]:
    """Return the eSIMs of orders by order, with how many bundles of the order's plan are used on each."""
    names = {order.id: order.bundle_name for order in orders}
    by_esim: dict[str, list[esims_pb2.ESIMBundle]] = {}
    for bundle in listed:
        if bundle.state != esims_pb2.BUNDLE_STATE_CANCELLED:
            by_esim.setdefault(bundle.esim_id, []).append(bundle)
    states: dict[UUID, list[ESIMState]] = {}
    for order_id, esim in esims:
        bundles = [b for b in by_esim.get(esim.id, ()) if b.name == names[order_id]]
        used = sum(map(_is_used, bundles))
        state = ESIMState(is_installed(esim), used, len(bundles) - used)
        states.setdefault(order_id, []).append(state)
    return states


def is_installed(esim: esims_pb2.ESIM) -> bool:
    """Return whether an eSIM is, or was, installed on a device."""
    return esim.HasField("installed_date") or esim.profile_status.lower() in INSTALLED


def _is_used(bundle: esims_pb2.ESIMBundle) -> bool:
    return (
        bundle.state not in UNUSED
        or bundle.HasField("start_date")
        or (bundle.HasField("data_used_mb") and bundle.data_used_mb > 0)
    )
