"""Price confirmation before a purchase; a charge above the confirmed price is an incident."""

import pytest

from tests.component.orders.prices.confirming import OLD, reprice
from tests.component.orders.shop import Metadata, Shop


@pytest.fixture
async def buyer(shop: Shop) -> Metadata:
    """A customer of a shop whose catalogue shows OLD, as the provider does until `reprice`."""
    shop.catalogue.stored_price = OLD
    await reprice(shop, OLD)
    return await shop.session("b@example.com")
