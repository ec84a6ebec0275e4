"""Who may call each method of the exports service, and which calls of the staff are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    # Members may export rows of their organization; the servicer checks their roles.
    "ExportESIMs": Access.SIGNED_IN,
    "ExportUsage": Access.SIGNED_IN,
}
ACTS: Acts = {
    "ExportESIMs": ("range", "organization_id"),
    "ExportUsage": ("range", "organization_id"),
}
