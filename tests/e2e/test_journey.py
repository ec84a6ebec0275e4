"""A customer's journey on one machine, as `make up` starts it."""

import aiohttp

from tests.e2e.journey import Stack, travel
from tests.fixtures.local.one_machine import Starting


async def test_every_documented_operation_works_from_browsing_to_cancelling(
    starting: Starting, one_machine: dict[str, str], http: aiohttp.ClientSession
) -> None:
    one_machine["ESIMS_FRESH_SECONDS"] = "0"  # every read of an eSIM calls the provider
    async with starting() as up:
        await up.until("myESIMs")
        here = {name: f"http://127.0.0.1:{port}" for name, port in up.environment.items()}
        stack = Stack(
            graphql=f"{here['GATEWAY_PORT']}/graphql",
            auth=here["SANDBOX_AUTH_PORT"],
            sandbox=here["SANDBOX_PORT"],
            anon_key=next(line.split()[-1] for line in up.lines if "SUPABASE_ANON_KEY" in line),
        )
        await travel(stack, http)
        assert await up.stop() == 0
