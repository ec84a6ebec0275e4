"""Who may call each method of the exports service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    # Members may export the orders of their organization; the servicer checks their roles.
    "ExportOrders": Rule(Access.SIGNED_IN, logged=("range", "organization_id")),
    "ExportSales": Rule(Access.FINANCE, logged=("range",)),
    "ExportLedger": Rule(Access.FINANCE, logged=("range",)),
    "ExportCustomers": Rule(Access.FINANCE, logged=("range",)),
}
