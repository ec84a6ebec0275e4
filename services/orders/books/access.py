"""Who may call each method of the books service; none of them changes anything."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "ListLedger": Rule(Access.FINANCE),
    "ListAccounts": Rule(Access.FINANCE),
    "CheckBooks": Rule(Access.FINANCE),
}
