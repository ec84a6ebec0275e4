"""Which bundles of an order can be given back, as far as the esims service knows."""

from uuid import uuid4

import pytest

from protos.esims.v1 import esims_pb2
from services.orders import esim_states
from services.orders.esim_states import ESIMState
from services.orders.payments.policy import Item
from services.orders.payments.refunds.refund_facts import _items
from tests.unit.orders.sold import order

FRESH = ESIMState(installed=False, used=0, unused=1)
INSTALLED = ESIMState(installed=True, used=0, unused=1)
USED = ESIMState(installed=True, used=1, unused=0)
GONE = ESIMState(installed=False, used=0, unused=0)
TARGET = {"target_esim_id": uuid4(), "target_iccid": "5"}


def test_each_esim_of_an_order_counts_once() -> None:
    bought = order(quantity=4)
    assert _items(bought, [FRESH, INSTALLED, USED, GONE], 1) == [
        Item(installed=False, used=False),
        Item(installed=True, used=False),
        Item(installed=True, used=True, returnable=False),
    ]


def test_bundles_that_are_not_known_yet_are_no_refusal() -> None:
    assert _items(order(quantity=2), [GONE, GONE], 0) is None
    assert _items(order(quantity=2), [], 2) == []


def test_the_esim_of_a_top_up_was_installed_before() -> None:
    top_up = order(quantity=2, **TARGET)
    both = ESIMState(installed=True, used=1, unused=1)
    assert _items(top_up, [both], 0) == [
        Item(installed=False, used=False),
        Item(installed=False, used=True, returnable=False),
    ]
    assert _items(order(reassigned=True, **TARGET), [INSTALLED], 0) == [
        Item(installed=True, used=False)
    ]


@pytest.mark.parametrize(
    ("fields", "used"),
    [
        ({"state": esims_pb2.BUNDLE_STATE_INACTIVE}, 0),
        ({"state": esims_pb2.BUNDLE_STATE_PROCESSING}, 0),
        ({"state": esims_pb2.BUNDLE_STATE_ACTIVE}, 1),
        ({"state": esims_pb2.BUNDLE_STATE_EXPIRED}, 1),
        ({"state": esims_pb2.BUNDLE_STATE_INACTIVE, "data_used_mb": 0.5}, 1),
        ({"state": esims_pb2.BUNDLE_STATE_INACTIVE, "start_date": {"seconds": 1}}, 1),
    ],
)
def test_what_counts_as_used(fields: dict[str, object], used: int) -> None:
    bought = order()
    esim = esims_pb2.ESIM(id="e", iccid="1", profile_status="Released")
    bundles = [
        esims_pb2.ESIMBundle(esim_id="e", name=bought.bundle_name, **fields),  # type: ignore[arg-type] # of a table
        esims_pb2.ESIMBundle(esim_id="e", name="another", state=esims_pb2.BUNDLE_STATE_ACTIVE),
        esims_pb2.ESIMBundle(
            esim_id="e", name=bought.bundle_name, state=esims_pb2.BUNDLE_STATE_CANCELLED
        ),
    ]
    assert esim_states.read([bought], [(bought.id, esim)], bundles) == {
        bought.id: [ESIMState(installed=False, used=used, unused=1 - used)]
    }


@pytest.mark.parametrize(
    ("fields", "installed"),
    [
        ({"profile_status": "Released"}, False),
        ({}, False),
        ({"profile_status": "Installed"}, True),
        ({"profile_status": "installed"}, True),
        ({"profile_status": "UNAVAILABLE"}, True),
        ({"profile_status": "Released", "installed_date": {"seconds": 1}}, True),
    ],
)
def test_what_counts_as_installed(fields: dict[str, object], installed: bool) -> None:
    esim = esims_pb2.ESIM(**fields)  # type: ignore[arg-type] # of a table
    assert esim_states.is_installed(esim) is installed
