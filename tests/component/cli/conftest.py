"""Commands of operators in the environment of a container, and what they print."""

from functools import partial

import pytest

from tests.fixtures.local.command import Run, esimgo
from tests.fixtures.two_customers import TwoCustomers


@pytest.fixture
async def run(two_customers: TwoCustomers) -> Run:
    """Run a command in a container's environment with an administrator's session."""
    platform = two_customers.platform
    return partial(
        esimgo,
        **two_customers.environment,
        ESIMGO_TOKEN=await platform.auth.token("root@example.com", admin=True),
        CATALOGUE_ADDRESS=platform.gateway_settings.catalogue_address,
    )
