"""Operations of `esimgo customers`: finding, exporting and erasing the data of one customer."""

import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp
from google.protobuf.json_format import MessageToDict

from cli.auth import accounts
from cli.auth.accounts import Account
from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output
from cli.operators.service import Service, connect
from kit.values import timestamps
from protos.esims.v1 import esims_pb2
from protos.esims.v1.esims_pb2_grpc import ESIMsServiceStub
from protos.orders.v1 import orders_pb2
from protos.orders.v1.orders_pb2_grpc import OrdersServiceStub
from protos.webhooks.v1 import webhooks_pb2
from protos.webhooks.v1.webhooks_pb2_grpc import WebhooksServiceStub

# Seconds. An export reads every stored callback: some minutes where they are millions.
TIMEOUT = 3_600
UNAVAILABLE = (
    "not all of orders, esims and webhooks answer ({{}}): start them, or set ORDERS_ADDRESS,"
    " ESIMS_ADDRESS and WEBHOOKS_ADMIN_ADDRESS if they run elsewhere; then repeat the command"
)
# Maximum number of ICCIDs in one call.
MAX_ICCIDS = 1_000
# Times as PostgreSQL and protobuf write them in JSON: with as many decimals as each one needs.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Owners:
    """The three processes that store data about customers. Each method raises CommandError."""

    orders: Service
    esims: Service
    webhooks: Service

    async def export(self, user: UUID) -> dict[str, Any]:
        """Return all data of a customer by owner and table, including the customer's secrets.

        Raises CommandError also if nothing is stored.
        """
        orders, esims = await self._rows(user)
        if not any(orders.values()) and not any(esims.values()):
            raise CommandError(
                f"nothing is stored about a customer {user}: check that this is the account's id"
            )
        events = [
            {**_with_times(MessageToDict(exported.event)), "body": exported.body}
            for iccids in _batches(_own(orders), _own(esims))
            async for exported in self.webhooks.stream(
                "ExportEvents", webhooks_pb2.ExportEventsRequest(iccids=iccids)
            )
        ]
        return {
            "customer_id": str(user),
            "exported_at": timestamps.to_text(datetime.now(UTC)),
            "orders": orders,
            "esims": esims,
            "webhooks": {"inbox": events},
        }

    async def summary(self, account: Account) -> dict[str, Any]:
        """Return an account with its number of orders and of eSIMs, each counted up to 10,000."""
        orders = orders_pb2.ListOrdersRequest(
            filter=orders_pb2.OrderFilter(customer_id=account.id), page_size=1, with_total=True
        )
        esims = esims_pb2.ListESIMsRequest(
            filter=esims_pb2.ESIMFilter(customer_id=account.id), page_size=1, with_total=True
        )
        return {
            "id": account.id,
            "email": account.email,
            "created_at": account.created_at,
            "orders": (await self.orders.call("ListOrders", orders)).total_size,
            "esims": (await self.esims.call("ListESIMs", esims)).total_size,
        }

    async def erase(self, user: UUID) -> str:
        """Erase the data of a customer and return a summary. May be interrupted and repeated.

        Orders go first: only they can refuse, and then nothing was changed. eSIMs go last: until then
        they show which callbacks are the customer's. An eSIM that an order adds meanwhile stays.
        """
        orders, esims = await self._rows(user)
        request = orders_pb2.EraseCustomerRequest(customer_id=str(user))
        from_orders = await self.orders.call("EraseCustomer", request)
        events = erased_esims = 0
        # Callbacks about eSIMs that were bought for an organization are the organization's.
        for iccids in _batches(_own(orders), _own(esims), from_orders.iccids):
            callbacks = webhooks_pb2.EraseEventsRequest(iccids=iccids)
            events += (await self.webhooks.call("EraseEvents", callbacks)).events
        # Also without an eSIM: a member or a traveler of an organization may have none of their own.
        for iccids in _batches(orders, esims, from_orders.iccids) or [[]]:
            owned = esims_pb2.EraseCustomerRequest(customer_id=str(user), iccids=iccids)
            erased_esims += (await self.esims.call("EraseCustomer", owned)).esims
        return f"erased from {from_orders.orders} orders, {erased_esims} eSIMs, {events} callbacks"

    async def _rows(self, user: UUID) -> tuple[Rows, Rows]:
        orders = orders_pb2.ExportCustomerRequest(customer_id=str(user))
        from_orders = await _tables(self.orders, orders)
        # Travelers without an account have no id: memberships have the person's addresses.
        emails = {row["email"] for row in from_orders.get("members", []) if row["email"]}
        esims = esims_pb2.ExportCustomerRequest(customer_id=str(user), emails=sorted(emails))
        return from_orders, await _tables(self.esims, esims)


@asynccontextmanager
async def open_owners(access: Access) -> AsyncIterator[Owners]:
    """Connect to the three processes with the service role key."""
    async with AsyncExitStack() as stack:

        async def to(process: str, stub: Any) -> Service:
            connected = connect(access, process, stub, unavailable=UNAVAILABLE, timeout=TIMEOUT)
            return await stack.enter_async_context(connected)

        yield Owners(
            await to("orders", OrdersServiceStub),
            await to("esims", ESIMsServiceStub),
            await to("webhooks", WebhooksServiceStub),
        )


async def find(access: Access, email: str, *, as_json: bool) -> list[str]:
    """List the accounts with that address; raise CommandError also if there is none."""
    async with aiohttp.ClientSession() as http:
        found = await accounts.find(http, access.auth, access.key, email)
    if not found:
        raise CommandError(
            f"no account has the address {email}: check the spelling, or the list of users in the"
            " auth server"
        )
    async with open_owners(access) as owners:
        customers = [await owners.summary(account) for account in found]
    if as_json:
        return output.document(customers)
    rows = [[str(value) for value in customer.values()] for customer in customers]
    return output.table(("id", "email", "created", "orders", "eSIMs"), rows, "")


async def _tables(service: Service, request: Any) -> Rows:
    tables: Rows = {}
    async for message in service.stream("ExportCustomer", request):
        tables.setdefault(message.table, []).append(_with_times(json.loads(message.row_json)))
    return tables


def _own(tables: Rows) -> Rows:
    """Return the rows without those that belong to an organization."""
    return {
        table: [row for row in rows if row.get("organization_id") is None]
        for table, rows in tables.items()
    }


def _batches(orders: Rows, esims: Rows, more: Iterable[str] = ()) -> list[list[str]]:
    """Return the customer's ICCIDs in lists of at most MAX_ICCIDS."""
    rows = [*orders.get("order_esims", []), *esims.get("esims", [])]
    iccids = sorted({row["iccid"] for row in rows} | set(more))
    return [iccids[i : i + MAX_ICCIDS] for i in range(0, len(iccids), MAX_ICCIDS)]


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its times in the platform's one format."""
    return {
        name: timestamps.to_text(timestamps.from_iso(value))
        if isinstance(value, str) and TIME.fullmatch(value)
        else value
        for name, value in row.items()
    }
