"""Who may call each method of the webhooks service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "ListEvents": Access.ADMIN,
    "GetEvent": Access.ADMIN,
    "ReplayEvents": Access.ADMIN,
    "GetStats": Access.ADMIN,
    "ExportEvents": Access.SERVICE,
    "EraseEvents": Access.SERVICE,
}
# Logged with these fields where an administrator or an operator makes the call.
ACTS: Acts = {"ReplayEvents": ("event_ids", "filter"), "ExportEvents": (), "EraseEvents": ()}
