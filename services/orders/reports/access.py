"""Who may call each method of the reports service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "GetSales": Rule(Access.FINANCE),
    # For members of an organization; the servicer checks their roles.
    "GetSpending": Rule(Access.SIGNED_IN),
    "GetFunnel": Rule(Access.FINANCE),
    "GetCohorts": Rule(Access.FINANCE),
    "RebuildSales": Rule(Access.FINANCE, logged=("from_day", "check")),
}
