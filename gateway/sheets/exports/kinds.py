"""The kinds of exports: which service streams each, and its columns."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gateway.sheets.exports import columns
from gateway.sheets.exports.columns import Column
from protos.esims.v1 import exports_pb2 as esims_pb
from protos.orders.v1 import exports_pb2 as orders_pb

ORDERS, ESIMS = "orders", "esims"


@dataclass(frozen=True)
class Kind:
    """A kind of export.

    `owner` is the service whose `method` streams it. The amounts named in `foreign` may have another currency
    than the others of their row. With `needs_days`, all rows can't be exported at once.
    """

    name: str
    owner: str
    method: str
    request: Callable[..., Any]
    message: Any
    row: Any
    foreign: Collection[str] = ()
    needs_days: bool = True

    @property
    def of_organizations(self) -> bool:
        """True if one organization's rows can be exported."""
        return "organization_id" in self.request().DESCRIPTOR.fields_by_name

    @cached_property
    def columns(self) -> Sequence[Column]:
        """The columns of its files."""
        return columns.of(self.row.DESCRIPTOR, self.foreign)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "orders",
            ORDERS,
            "ExportOrders",
            orders_pb.ExportOrdersRequest,
            orders_pb.ExportOrdersResponse,
            orders_pb.OrderRow,
            ("cost",),
        ),
        Kind(
            "esims",
            ESIMS,
            "ExportESIMs",
            esims_pb.ExportESIMsRequest,
            esims_pb.ExportESIMsResponse,
            esims_pb.ESIMRow,
            needs_days=False,
        ),
        Kind(
            "sales",
            ORDERS,
            "ExportSales",
            orders_pb.ExportSalesRequest,
            orders_pb.ExportSalesResponse,
            orders_pb.SaleRow,
            ("converted",),
        ),
        Kind(
            "usage",
            ESIMS,
            "ExportUsage",
            esims_pb.ExportUsageRequest,
            esims_pb.ExportUsageResponse,
            esims_pb.UsageRow,
        ),
        Kind(
            "ledger",
            ORDERS,
            "ExportLedger",
            orders_pb.ExportLedgerRequest,
            orders_pb.ExportLedgerResponse,
            orders_pb.LedgerRow,
        ),
        Kind(
            "customers",
            ORDERS,
            "ExportCustomers",
            orders_pb.ExportCustomersRequest,
            orders_pb.ExportCustomersResponse,
            orders_pb.CustomerRow,
            needs_days=False,
        ),
    )
}
