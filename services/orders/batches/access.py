"""Who may call each method of the batches service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "ValidateBatch": Access.SIGNED_IN,
    "CreateBatch": Access.SIGNED_IN,
    "GetBatch": Access.SIGNED_IN,
    "ListBatches": Access.SIGNED_IN,
    "ListBatchItems": Access.SIGNED_IN,
    "ListBatchESIMs": Access.SIGNED_IN,
    "CancelBatch": Access.SIGNED_IN,
    "RetryBatch": Access.SIGNED_IN,
    "WatchBatch": Access.SIGNED_IN,
}
# Logged with these fields where the staff or an operator makes the call.
ACTS: Acts = {
    "CancelBatch": ("batch_id",),
    "RetryBatch": ("batch_id",),
    "ListBatchESIMs": ("batch_id",),
}
# What API keys may call, and the scope that they need.
SCOPES: Mapping[str, str] = {
    "ValidateBatch": "orders:write",
    "CreateBatch": "orders:write",
    "GetBatch": "orders:read",
    "ListBatches": "orders:read",
    "ListBatchItems": "orders:read",
    "ListBatchESIMs": "esims:read",
    "CancelBatch": "orders:write",
    "RetryBatch": "orders:write",
    "WatchBatch": "orders:read",
}
