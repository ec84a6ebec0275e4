"""gRPC calls of operators' commands, with errors that say what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from cli.config.access import Access
from cli.errors import CommandError
from kit.errors import SERVICE_UNAVAILABLE, Failure, Kind
from kit.rpc import client as rpc_client
from kit.rpc.errors import from_error

# Beginnings of the variables of addresses that differ from the name of the process.
ADDRESSES = {"webhooks": "WEBHOOKS_ADMIN"}
UNREACHED = (
    "the {description} at {address} is unavailable (no connection; {variable} sets the address): start"
    " it first"
)
OTHER_KEY = (
    "the {description} at {address} does not accept the service role key: set"
    " SUPABASE_SERVICE_ROLE_KEY to the one that it was started with"
)
OTHER_SESSION = "{}. `esimgo token` prints a new token, for --token or ESIMGO_TOKEN"


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the platform.

    `unavailable` is the error when it can't be reached, and `unauthenticated` the one when it does not accept
    the token, each with {} for the cause. `timeout` is in seconds.
    """

    stub: Any
    token: str
    unavailable: str
    timeout: float = 60
    unauthenticated: str = "{}"

    async def call(self, method: str, request: Any) -> Any:
        """Return the response of a unary method; raise CommandError if it fails."""
        try:
            return await rpc_client.call(
                getattr(self.stub, method), request, token=self.token, timeout=self.timeout
            )
        except Failure as failure:
            raise self._error(failure) from failure

    async def listed(
        self, method: str, request: Any, field: str, limit: int | None = None
    ) -> list[Any]:
        """Return the rows in a field of a list's pages: the first `limit`, or all."""
        found: list[Any] = []
        while True:
            page = await self.call(method, request)
            found += getattr(page, field)
            request.page_token = page.next_page_token
            if not page.next_page_token or (limit is not None and len(found) >= limit):
                return found[:limit]

    async def stream(self, method: str, request: Any) -> AsyncIterator[Any]:
        """Yield the messages of a streaming method; raise CommandError if it fails."""
        metadata = (("authorization", f"Bearer {self.token}"),)
        call = getattr(self.stub, method)
        try:
            async for message in call(request, timeout=self.timeout, metadata=metadata):
                yield message
        except grpc.aio.AioRpcError as error:
            raise self._error(from_error(error)) from error

    def _error(self, failure: Failure) -> CommandError:
        if failure.reason == SERVICE_UNAVAILABLE:
            return CommandError(self.unavailable.format(failure))
        if failure.kind is Kind.UNAUTHENTICATED:
            return CommandError(self.unauthenticated.format(failure))
        return CommandError(str(failure))


@asynccontextmanager
async def connect(
    access: Access,
    process: str,
    stub: Any,
    *,
    description: str | None = None,
    unavailable: str = UNREACHED,
    token: str | None = None,
    timeout: float = 60,
) -> AsyncIterator[Service]:
    """Open a channel to a process; without a token, calls present the service role key."""
    address = access.addresses[process]
    name = description or f"{process} service"
    variable = f"{ADDRESSES.get(process, process.upper())}_ADDRESS"
    text = unavailable.format(description=name, address=address, variable=variable)
    refused = OTHER_SESSION if token else OTHER_KEY.format(description=name, address=address)
    async with rpc_client.channel(address, access.tls) as channel:
        yield Service(stub(channel), token or access.key, text, timeout, refused)
