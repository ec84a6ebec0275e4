"""Who may call each method of the payments service, and which calls of the staff are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "BatchGetPayments": Access.SIGNED_IN,
    "ResumePayment": Access.SIGNED_IN,
    "BatchGetRefundable": Access.SIGNED_IN,
    "ListWallets": Access.SIGNED_IN,
    "ListWalletEntries": Access.SIGNED_IN,
    "TopUpWallet": Access.SIGNED_IN,
    "GetTopUp": Access.SIGNED_IN,
    "RefundOrder": Access.FINANCE,
    "ListPayments": Access.FINANCE,
    "MarkOrderPaid": Access.FINANCE,
    "CorrectWallet": Access.FINANCE,
    "ListDisputes": Access.FINANCE,
    "GetDisputeEvidence": Access.FINANCE,
    "ListHeldOrders": Access.SUPPORT,
    "ReleaseOrder": Access.FINANCE,
    "RejectOrder": Access.FINANCE,
    "ApplyPaymentEvents": Access.SERVICE,
}
# Logged with these fields where the staff or an operator makes the call.
ACTS: Acts = {
    "ResumePayment": ("order_id",),
    "TopUpWallet": ("amount",),
    "RefundOrder": ("order_id", "amount", "destination"),
    "MarkOrderPaid": ("order_id", "amount", "reference"),
    "CorrectWallet": ("customer_id", "organization_id", "amount"),
    "GetDisputeEvidence": ("order_id",),
    "ReleaseOrder": ("order_id",),
    "RejectOrder": ("order_id",),
}
# What API keys may call, and the scope that they need. Wallets and payments are for people.
SCOPES: Mapping[str, str] = {
    "BatchGetPayments": "orders:read",
    "BatchGetRefundable": "orders:read",
}
