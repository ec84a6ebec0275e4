"""Who may call each method of the budgets service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

# Each requires a role in the organization: see the servicer.
ACCESS: Rules = {
    "ListBudgets": Rule(Access.SIGNED_IN, "organization:read"),
    "SetBudget": Rule(
        Access.SIGNED_IN,
        logged=("organization_id", "scope", "group_id", "user_id", "period", "amount"),
    ),
    "DeleteBudget": Rule(Access.SIGNED_IN, logged=("budget_id",)),
}
