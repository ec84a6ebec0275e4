"""Who may call each method of the reports service, and which calls of the staff are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "GetUsage": Access.SUPPORT,
    # For members of the organization; the servicer checks their roles.
    "GetOrganizationUsage": Access.SIGNED_IN,
    "GetExpiry": Access.SUPPORT,
    "RebuildUsage": Access.FINANCE,
}
ACTS: Acts = {"RebuildUsage": ("check",)}
