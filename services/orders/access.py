"""Who may call each method of the orders service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "CreateOrder": Access.SIGNED_IN,
    "QuoteOrder": Access.SIGNED_IN,
    "ValidateOrder": Access.SIGNED_IN,
    "GetOrder": Access.SIGNED_IN,
    "BatchGetOrders": Access.SIGNED_IN,
    "ListOrders": Access.SIGNED_IN,
    "ListOrderAssignments": Access.SIGNED_IN,
    "CancelOrder": Access.SIGNED_IN,
    "ApplyEvents": Access.SERVICE,
    "WatchOrder": Access.SIGNED_IN,
    "BatchGetCancellations": Access.SIGNED_IN,
    "BatchListOrderTimelines": Access.SIGNED_IN,
    "ListStuckOrders": Access.ADMIN,
    "GetOrderHistory": Access.ADMIN,
    "ResumeOrder": Access.ADMIN,
    "ResolveOrder": Access.ADMIN,
    "ListUnexplainedProviderOrders": Access.ADMIN,
    "CreateOrderForCustomer": Access.SERVICE,
    "ExportCustomer": Access.SERVICE,
    "EraseCustomer": Access.SERVICE,
}
# Logged with these fields where an administrator or an operator makes the call. EraseCustomer logs no field
# here: the erasure itself logs a fingerprint of the customer.
ACTS: Acts = {
    "CancelOrder": ("order_id", "unused_only"),
    "ResumeOrder": ("order_id",),
    "ResolveOrder": ("order_id", "placed_as", "not_bought", "paid_back"),
    "ExportCustomer": ("customer_id",),
    "EraseCustomer": (),
}
# What API keys may call, and the scope that they need.
SCOPES: Mapping[str, str] = {
    "CreateOrder": "orders:write",
    "QuoteOrder": "orders:read",
    "ValidateOrder": "orders:read",
    "GetOrder": "orders:read",
    "BatchGetOrders": "orders:read",
    "ListOrders": "orders:read",
    "ListOrderAssignments": "esims:read",
    "CancelOrder": "orders:write",
    "WatchOrder": "orders:read",
    "BatchGetCancellations": "orders:read",
    "BatchListOrderTimelines": "orders:read",
}
