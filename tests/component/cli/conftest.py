"""Commands of operators in the environment of a container, and what they print."""

import subprocess

import pytest

from tests.component.cli.operating import Run
from tests.fixtures.local.command import esimgo
from tests.fixtures.two_customers import TwoCustomers


@pytest.fixture
def run(two_customers: TwoCustomers) -> Run:
    """Run a command in a container's environment with an administrator's session."""

    async def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
        platform = two_customers.platform
        return await esimgo(
            *arguments,
            **two_customers.environment,
            ESIMGO_TOKEN=await platform.auth.token("root@example.com", admin=True),
            CATALOGUE_ADDRESS=platform.gateway_settings.catalogue_address,
        )

    return command
