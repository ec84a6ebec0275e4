"""Who may call each method of the eSIMs service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "RegisterESIMs": Rule(Access.SERVICE),
    "CancelOrderBundles": Rule(Access.SERVICE),
    "ApplyEvents": Rule(Access.SERVICE),
    "ListESIMs": Rule(Access.SIGNED_IN, "esims:read"),
    "GetESIM": Rule(Access.SIGNED_IN, "esims:read"),
    "BatchGetESIMs": Rule(Access.SIGNED_IN, "esims:read"),
    "BatchListOrderESIMs": Rule(Access.SIGNED_IN, "esims:read"),
    "BatchListBundles": Rule(Access.SIGNED_IN, "esims:read"),
    "BatchGetUsage": Rule(Access.SIGNED_IN, "esims:read"),
    "GetBundleStatus": Rule(Access.SIGNED_IN, "esims:read"),
    "GetInstallDetails": Rule(Access.SIGNED_IN, "esims:read"),
    "UpdateESIMReference": Rule(Access.SIGNED_IN, "esims:write", logged=("esim_id",)),
    "SuspendESIM": Rule(Access.SIGNED_IN, "esims:write", logged=("esim_id",)),
    "RestoreESIM": Rule(Access.SIGNED_IN, "esims:write", logged=("esim_id",)),
    "GetLocation": Rule(Access.SIGNED_IN, "esims:read"),
    "ListHistory": Rule(Access.SIGNED_IN, "esims:read"),
    "RefreshESIM": Rule(Access.SIGNED_IN, "esims:read", logged=("esim_id",)),
    "CheckCompatibility": Rule(Access.SIGNED_IN, "esims:read"),
    "WatchESIMs": Rule(Access.SIGNED_IN, "esims:read"),
    "ExportCustomer": Rule(Access.SERVICE, logged=("customer_id",)),
    # Without the customer, of whom the log holds a fingerprint only: the erasure itself logs it.
    "EraseCustomer": Rule(Access.SERVICE, logged=()),
}
