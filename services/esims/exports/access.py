"""Who may call each method of the exports service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    # Members may export rows of their organization; the servicer checks their roles.
    "ExportESIMs": Rule(Access.SIGNED_IN, logged=("range", "organization_id")),
    "ExportUsage": Rule(Access.SIGNED_IN, logged=("range", "organization_id")),
}
