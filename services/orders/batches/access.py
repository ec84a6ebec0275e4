"""Who may call each method of the batches service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "ValidateBatch": Rule(Access.SIGNED_IN, "orders:write"),
    "CreateBatch": Rule(Access.SIGNED_IN, "orders:write"),
    "GetBatch": Rule(Access.SIGNED_IN, "orders:read"),
    "ListBatches": Rule(Access.SIGNED_IN, "orders:read"),
    "ListBatchItems": Rule(Access.SIGNED_IN, "orders:read"),
    "ListBatchESIMs": Rule(Access.SIGNED_IN, "esims:read", logged=("batch_id",)),
    "CancelBatch": Rule(Access.SIGNED_IN, "orders:write", logged=("batch_id",)),
    "RetryBatch": Rule(Access.SIGNED_IN, "orders:write", logged=("batch_id",)),
    "WatchBatch": Rule(Access.SIGNED_IN, "orders:read"),
}
