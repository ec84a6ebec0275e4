"""Two organizations on the running esims service."""

import pytest

from tests.component.esims.running import Service
from tests.component.esims.travelers.company import Company, found


@pytest.fixture
async def company(service: Service) -> Company:
    return await found(service, "acme")


@pytest.fixture
async def other(service: Service) -> Company:
    return await found(service, "globex")
