"""`esimgo customers`: all that the platform keeps of one customer, and taking the person out of it."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp
import grpc
from google.protobuf.json_format import MessageToDict

from cli.auth import accounts
from cli.auth.accounts import Account
from cli.config.access import Access
from cli.operators import output
from kit.errors import Failure
from kit.rpc import client as rpc_client
from kit.rpc.errors import from_error
from kit.values import timestamps
from protos.esims.v1 import esims_pb2
from protos.esims.v1.esims_pb2_grpc import ESIMsServiceStub
from protos.orders.v1 import orders_pb2
from protos.orders.v1.orders_pb2_grpc import OrdersServiceStub
from protos.webhooks.v1 import webhooks_pb2
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub

# Seconds. All callbacks that are kept are read for it: some minutes where they are millions.
TIMEOUT = 3_600
# What one call may name.
MOST_ICCIDS = 1_000
# Times as PostgreSQL and protobuf write them in JSON: with as many decimals as each one needs.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")

Rows = dict[str, list[dict[str, Any]]]


class CustomersError(Exception):
    """It was not done; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Owners:
    """The three that keep something of customers, as the platform itself asks them."""

    orders: Any
    esims: Any
    webhooks: Any
    key: str

    async def export(self, user: UUID) -> dict[str, Any]:
        """Everything, by owner and table; it holds the customer's secrets.

        Raises CustomersError, also when there is nothing.
        """
        orders, esims = await self._rows(user)
        if not any(orders.values()) and not any(esims.values()):
            raise CustomersError(
                f"nothing is stored about a customer {user}: check that this is the account's id"
            )
        events = [
            {**_with_times(MessageToDict(told.event)), "body": told.body}
            for some in _batches(orders, esims)
            async for told in self._stream(
                self.webhooks.ExportEvents, webhooks_pb2.ExportEventsRequest(iccids=some)
            )
        ]
        return {
            "customer_id": str(user),
            "exported_at": timestamps.to_text(datetime.now(UTC)),
            "orders": orders,
            "esims": esims,
            "webhooks": {"inbox": events},
        }

    async def found(self, account: Account) -> dict[str, Any]:
        """An account with the number of its orders and eSIMs, each counted up to 10,000."""
        of_orders = orders_pb2.ListOrdersRequest(
            filter=orders_pb2.OrderFilter(customer_id=account.id), page_size=1, with_total=True
        )
        of_esims = esims_pb2.ListESIMsRequest(
            filter=esims_pb2.ESIMFilter(customer_id=account.id), page_size=1, with_total=True
        )
        return {
            "id": account.id,
            "email": account.email,
            "created_at": account.created_at,
            "orders": (await self._ask(self.orders.ListOrders, of_orders)).total_size,
            "esims": (await self._ask(self.esims.ListESIMs, of_esims)).total_size,
        }

    async def erase(self, user: UUID) -> str:
        """What was erased, in a line. May be broken off and repeated at any time.

        Orders go first: only they can refuse, and then nothing was changed. eSIMs go last, as until then
        they tell which callbacks are the customer's. An eSIM that another order brings meanwhile stays.
        """
        orders, esims = await self._rows(user)
        request = orders_pb2.EraseCustomerRequest(customer_id=str(user))
        of_orders = await self._ask(self.orders.EraseCustomer, request)
        batches = _batches(orders, esims, of_orders.iccids)
        events = of_esims = 0
        for some in batches:
            named = webhooks_pb2.EraseEventsRequest(iccids=some)
            events += (await self._ask(self.webhooks.EraseEvents, named)).events
        for some in batches:
            theirs = esims_pb2.EraseCustomerRequest(customer_id=str(user), iccids=some)
            of_esims += (await self._ask(self.esims.EraseCustomer, theirs)).esims
        return f"erased from {of_orders.orders} orders, {of_esims} eSIMs, {events} callbacks"

    async def _rows(self, user: UUID) -> tuple[Rows, Rows]:
        asked = orders_pb2.ExportCustomerRequest(customer_id=str(user))
        orders = await self._tables(self.orders.ExportCustomer, asked)
        esims = await self._tables(
            self.esims.ExportCustomer, esims_pb2.ExportCustomerRequest(customer_id=str(user))
        )
        return orders, esims

    async def _tables(self, method: Any, request: Any) -> Rows:
        tables: Rows = {}
        async for told in self._stream(method, request):
            tables.setdefault(told.table, []).append(_with_times(json.loads(told.row_json)))
        return tables

    async def _stream(self, method: Any, request: Any) -> AsyncIterator[Any]:
        metadata = (("authorization", f"Bearer {self.key}"),)
        try:
            async for told in method(request, timeout=TIMEOUT, metadata=metadata):
                yield told
        except grpc.aio.AioRpcError as error:
            raise CustomersError(_explain(from_error(error))) from error

    async def _ask(self, method: Any, request: Any) -> Any:
        try:
            asking: Awaitable[Any] = rpc_client.call(
                method, request, token=self.key, timeout=TIMEOUT
            )
            return await asking
        except Failure as failure:
            raise CustomersError(_explain(failure)) from failure


@asynccontextmanager
async def owners(access: Access) -> AsyncIterator[Owners]:
    """Those that `access` knows the addresses of."""
    async with AsyncExitStack() as stack:

        async def to(name: str) -> grpc.aio.Channel:
            channel = rpc_client.channel(access.addresses[name], access.tls)
            return await stack.enter_async_context(channel)

        yield Owners(
            OrdersServiceStub(await to("orders")),
            ESIMsServiceStub(await to("esims")),
            WebhooksServiceStub(await to("webhooks")),
            access.key,
        )


async def find(access: Access, email: str, *, as_json: bool) -> list[str]:
    """A line for each account with that address; raises CustomersError, also when there is none."""
    async with aiohttp.ClientSession() as http:
        try:
            known = await accounts.find(http, access.auth, access.key, email)
        except accounts.AccountsError as error:
            raise CustomersError(str(error)) from error
    if not known:
        raise CustomersError(
            f"no account has the address {email}: check the spelling, or the list of users in the"
            " auth server"
        )
    async with owners(access) as found:
        customers = [await found.found(account) for account in known]
    if as_json:
        return output.document(customers)
    rows = [[str(value) for value in customer.values()] for customer in customers]
    return output.table(("id", "email", "created", "orders", "eSIMs"), rows, "")


def _batches(orders: Rows, esims: Rows, more: Iterable[str] = ()) -> list[list[str]]:
    """The customer's ICCIDs, as many together as a call may name."""
    rows = [*orders.get("order_esims", []), *esims.get("esims", [])]
    iccids = sorted({row["iccid"] for row in rows} | set(more))
    return [iccids[i : i + MOST_ICCIDS] for i in range(0, len(iccids), MOST_ICCIDS)]


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its times in the platform's one format."""
    return {
        name: timestamps.to_text(timestamps.from_iso(value))
        if isinstance(value, str) and TIME.fullmatch(value)
        else value
        for name, value in row.items()
    }


def _explain(failure: Failure) -> str:
    if failure.kind == "unavailable":
        return (
            f"not all of orders, esims and webhooks answer ({failure}): start them, or set"
            " ORDERS_ADDRESS, ESIMS_ADDRESS and WEBHOOKS_ADMIN_ADDRESS if they run elsewhere;"
            " then repeat the command"
        )
    return str(failure)
