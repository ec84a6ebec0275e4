"""Who may call each method of the budgets service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

# Each requires a role in the organization: see the servicer.
ACCESS: Mapping[str, Access] = {
    "ListBudgets": Access.SIGNED_IN,
    "SetBudget": Access.SIGNED_IN,
    "DeleteBudget": Access.SIGNED_IN,
}
# Logged with these fields where the staff or an operator makes the call.
ACTS: Acts = {
    "SetBudget": ("organization_id", "scope", "period", "amount"),
    "DeleteBudget": ("budget_id",),
}
# What API keys may call, and the scope that they need.
SCOPES: Mapping[str, str] = {"ListBudgets": "organization:read"}
