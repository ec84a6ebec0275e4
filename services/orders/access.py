"""Who may call each method of the orders service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "CreateOrder": Rule(Access.SIGNED_IN, "orders:write"),
    "QuoteOrder": Rule(Access.SIGNED_IN, "orders:read"),
    "ValidateOrder": Rule(Access.SIGNED_IN, "orders:read"),
    "GetOrder": Rule(Access.SIGNED_IN, "orders:read"),
    "BatchGetOrders": Rule(Access.SIGNED_IN, "orders:read"),
    "ListOrders": Rule(Access.SIGNED_IN, "orders:read"),
    "ListOrderAssignments": Rule(Access.SIGNED_IN, "esims:read"),
    "CancelOrder": Rule(Access.SIGNED_IN, "orders:write", logged=("order_id", "unused_only")),
    "ApplyEvents": Rule(Access.SERVICE),
    "WatchOrder": Rule(Access.SIGNED_IN, "orders:read"),
    "BatchGetCancellations": Rule(Access.SIGNED_IN, "orders:read"),
    "BatchListOrderTimelines": Rule(Access.SIGNED_IN, "orders:read"),
    "ListStuckOrders": Rule(Access.ADMIN),
    "GetOrderHistory": Rule(Access.ADMIN),
    "ResumeOrder": Rule(Access.ADMIN, logged=("order_id",)),
    "ResolveOrder": Rule(Access.ADMIN, logged=("order_id", "placed_as", "not_bought", "paid_back")),
    "ListUnexplainedProviderOrders": Rule(Access.ADMIN),
    "CreateOrderForCustomer": Rule(Access.SERVICE),
    "ExportCustomer": Rule(Access.SERVICE, logged=("customer_id",)),
    # Without the customer, of whom the log holds a fingerprint only: the erasure itself logs it.
    "EraseCustomer": Rule(Access.SERVICE, logged=()),
}
