"""A platform whose customers pay."""

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.paid import PaidPlatform, paid_settings
from tests.fixtures.payments import PaymentSandbox
from tests.fixtures.platform import OpenPlatform
from tests.fixtures.postgres import Databases


@pytest.fixture
async def paid(
    databases: Databases, open_platform: OpenPlatform, payment_provider: PaymentSandbox
) -> AsyncIterator[PaidPlatform]:
    async with open_platform(databases, **paid_settings(payment_provider)) as running:
        yield PaidPlatform(running, payment_provider)
