"""Who may call each method of the eSIMs service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "RegisterESIMs": Access.SERVICE,
    "CancelOrderBundles": Access.SERVICE,
    "ApplyEvents": Access.SERVICE,
    "ListESIMs": Access.SIGNED_IN,
    "GetESIM": Access.SIGNED_IN,
    "BatchGetESIMs": Access.SIGNED_IN,
    "BatchListOrderESIMs": Access.SIGNED_IN,
    "BatchListBundles": Access.SIGNED_IN,
    "BatchGetUsage": Access.SIGNED_IN,
    "GetBundleStatus": Access.SIGNED_IN,
    "GetInstallDetails": Access.SIGNED_IN,
    "UpdateESIMReference": Access.SIGNED_IN,
    "SuspendESIM": Access.SIGNED_IN,
    "RestoreESIM": Access.SIGNED_IN,
    "GetLocation": Access.SIGNED_IN,
    "ListHistory": Access.SIGNED_IN,
    "RefreshESIM": Access.SIGNED_IN,
    "CheckCompatibility": Access.SIGNED_IN,
    "WatchESIMs": Access.SIGNED_IN,
    "ExportCustomer": Access.SERVICE,
    "EraseCustomer": Access.SERVICE,
}
# Logged with these fields where an administrator or an operator makes the call. Of an erased customer
# the log holds a fingerprint only, which the erasure itself logs.
ACTS: Acts = {
    "UpdateESIMReference": ("esim_id",),
    "SuspendESIM": ("esim_id",),
    "RestoreESIM": ("esim_id",),
    "RefreshESIM": ("esim_id",),
    "ExportCustomer": ("customer_id",),
    "EraseCustomer": (),
}
# What API keys may call, and the scope that they need. esims:read includes activation codes.
SCOPES: Mapping[str, str] = {
    "ListESIMs": "esims:read",
    "GetESIM": "esims:read",
    "BatchGetESIMs": "esims:read",
    "BatchListOrderESIMs": "esims:read",
    "BatchListBundles": "esims:read",
    "BatchGetUsage": "esims:read",
    "GetBundleStatus": "esims:read",
    "GetInstallDetails": "esims:read",
    "UpdateESIMReference": "esims:write",
    "SuspendESIM": "esims:write",
    "RestoreESIM": "esims:write",
    "GetLocation": "esims:read",
    "ListHistory": "esims:read",
    "RefreshESIM": "esims:read",
    "CheckCompatibility": "esims:read",
    "WatchESIMs": "esims:read",
}
