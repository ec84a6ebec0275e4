"""Who may call each method of the books service; none of them changes anything."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "ListLedger": Access.FINANCE,
    "ListAccounts": Access.FINANCE,
    "CheckBooks": Access.FINANCE,
}
ACTS: Acts = {}
