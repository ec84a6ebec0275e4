"""Who may call each method of the reports service, and which calls of the staff are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "GetSales": Access.FINANCE,
    # For members of an organization; the servicer checks their roles.
    "GetSpending": Access.SIGNED_IN,
    "GetFunnel": Access.FINANCE,
    "GetCohorts": Access.FINANCE,
    "RebuildSales": Access.FINANCE,
}
ACTS: Acts = {"RebuildSales": ("from_day", "check")}
