"""Who may call each method of the export links service, and which calls of the staff are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

# The servicer admits the finance staff, and members of the organization by their roles.
ACCESS: Mapping[str, Access] = {
    "CreateExportLink": Access.SIGNED_IN,
    "TakeExportLink": Access.SERVICE,
}
ACTS: Acts = {"CreateExportLink": ("organization_id",)}
