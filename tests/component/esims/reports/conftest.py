"""The staff that reads reports."""

import pytest

from tests.component.esims.running import Service


@pytest.fixture
async def support(service: Service) -> str:
    return await service.auth.token("sue@example.com", role="support")
