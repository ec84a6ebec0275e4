"""Who may call each method of the payments service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "BatchGetPayments": Rule(Access.SIGNED_IN, "orders:read"),
    "ResumePayment": Rule(Access.SIGNED_IN, logged=("order_id",)),
    "BatchGetRefundable": Rule(Access.SIGNED_IN, "orders:read"),
    "ListWallets": Rule(Access.SIGNED_IN),
    "ListWalletEntries": Rule(Access.SIGNED_IN),
    "TopUpWallet": Rule(Access.SIGNED_IN, logged=("amount",)),
    "GetTopUp": Rule(Access.SIGNED_IN),
    "RefundOrder": Rule(Access.FINANCE, logged=("order_id", "amount", "destination")),
    "ListPayments": Rule(Access.FINANCE),
    "MarkOrderPaid": Rule(Access.FINANCE, logged=("order_id", "amount")),
    "CorrectWallet": Rule(Access.FINANCE, logged=("customer_id", "organization_id", "amount")),
    "ListDisputes": Rule(Access.FINANCE),
    "GetDisputeEvidence": Rule(Access.FINANCE, logged=("order_id",)),
    "ListHeldOrders": Rule(Access.SUPPORT),
    "ReleaseOrder": Rule(Access.FINANCE, logged=("order_id",)),
    "RejectOrder": Rule(Access.FINANCE, logged=("order_id",)),
    "ApplyPaymentEvents": Rule(Access.SERVICE),
}
