"""Fixtures of the tests of usage."""

from collections.abc import AsyncIterator

import pytest

from tests.component.esims.usage.parts import Reports, reporting
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import ProviderSandbox


@pytest.fixture
async def reports(databases: Databases, provider: ProviderSandbox) -> AsyncIterator[Reports]:
    async with reporting(databases, provider) as running:
        yield running
