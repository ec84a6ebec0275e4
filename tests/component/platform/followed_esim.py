"""A customer with two eSIMs who follows one of them through two gateways."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

import gateway.__main__
import webhooks.__main__
from tests.fixtures.gateway import Client
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Serving
from tests.fixtures.sockets import Socket, connected

# The provider's documents don't name the type of Profile Status Change, so the sandbox sends whichever
# type the test sets, and the platform recognizes the callback by its content.
WITH_PROFILES = {"profile_status_type": "ProfileStatusChange"}
STATUS = """subscription($id: ID!) { esimStatusUpdated(esimId: $id) {
    status profileStatus dataUsed dataRemaining deletionDate } }"""


@dataclass(slots=True)
class Follower:
    """A subscriber to one eSIM; `now` is the latest event."""

    socket: Socket
    now: Any

    async def receive(self) -> None:
        self.now = (await self.socket.data())["esimStatusUpdated"]

    async def receive_until(self, **wanted: Any) -> Any:
        """Wait until the latest event has these values; it may have them already."""
        while any(self.now[key] != value for key, value in wanted.items()):
            await self.receive()
        return self.now


@dataclass(frozen=True, slots=True)
class FollowedESIM:
    """A customer with two eSIMs who follows the first one through two gateways."""

    customer: Client
    urls: list[str]
    esim: dict[str, Any]
    other: dict[str, Any]
    followers: list[Follower]
    control: Callable[..., Awaitable[Any]]
    provider_control: str

    async def both_receive(self, **wanted: Any) -> Any:
        """Wait until both gateways have sent it; returns the last event."""
        for follower in self.followers:
            event = await follower.receive_until(**wanted)
        return event

    async def details(self) -> Any:
        answer = await self.customer.ask(
            "query($id: ID!) { esimDetails(id: $id) {"
            " iccid status profileStatus installedDate deletionDate bundles { id name state }"
            " usage { totalRemaining asOf } } }",
            id=self.esim["id"],
        )
        return answer.data["esimDetails"]

    async def later(self, *, seconds: int) -> datetime:
        """Advance the clock and return the new time."""
        moved = await self.control("POST", "/clock/advance", {"seconds": seconds})
        return datetime.fromisoformat(moved["now"])


def read_at(esim: Any) -> datetime:
    """Return when the usage was last read from the provider; `datetime.min` if it never was."""
    usage = esim["usage"]
    return datetime.fromisoformat(usage["asOf"]) if usage else datetime.min.replace(tzinfo=UTC)


@pytest.fixture
async def followed(
    platform: Platform, databases: Databases, serving: Serving
) -> AsyncIterator[FollowedESIM]:
    ann = await platform.customer("ann@example.com")
    esim, other = (await platform.buy(ann, quantity=2))["esims"]
    async with AsyncExitStack() as parts:
        receiver = await parts.enter_async_context(
            serving(webhooks.__main__.serve, platform.webhooks(databases))
        )
        url = f"http://127.0.0.1:{receiver}/webhooks/esim-go"
        await platform.provider.control("POST", "/callbacks", {"url": url})
        port = await parts.enter_async_context(
            serving(gateway.__main__.serve, platform.gateway_settings)
        )
        elsewhere = replace(ann, url=f"http://127.0.0.1:{port}")
        followers = []
        for customer in (ann, elsewhere):
            socket = await parts.enter_async_context(connected(customer))
            await socket.subscribe(STATUS, id=esim["id"])
            follower = Follower(socket, (await socket.data())["esimStatusUpdated"])
            await follower.receive_until(status="ASSIGNED")
            followers.append(follower)
        yield FollowedESIM(
            customer=ann,
            urls=[ann.url, elsewhere.url],
            esim=esim,
            other=other,
            followers=followers,
            control=platform.provider.control,
            provider_control=platform.provider.control_url,
        )
