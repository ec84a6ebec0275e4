"""Who may call each method of the exports service, and which calls of the staff are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    # Members may export the orders of their organization; the servicer checks their roles.
    "ExportOrders": Access.SIGNED_IN,
    "ExportSales": Access.FINANCE,
    "ExportLedger": Access.FINANCE,
    "ExportCustomers": Access.FINANCE,
}
ACTS: Acts = {
    "ExportOrders": ("range", "organization_id"),
    "ExportSales": ("range",),
    "ExportLedger": ("range",),
    "ExportCustomers": ("range",),
}
