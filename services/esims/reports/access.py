"""Who may call each method of the reports service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "GetUsage": Rule(Access.SUPPORT),
    # For members of the organization; the servicer checks their roles.
    "GetOrganizationUsage": Rule(Access.SIGNED_IN),
    "GetExpiry": Rule(Access.SUPPORT),
    # As GetOrganizationUsage.
    "GetOrganizationExpiry": Rule(Access.SIGNED_IN),
    "RebuildUsage": Rule(Access.FINANCE, logged=("check",)),
}
