"""Who may call each method of the statements service, and which calls of the staff are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

# The servicer admits the finance staff, and members whose role deals with money.
ACCESS: Mapping[str, Access] = {
    "GetCreditAccount": Access.SIGNED_IN,
    "ListStatements": Access.SIGNED_IN,
    "GetStatement": Access.SIGNED_IN,
    "ListStatementLines": Access.SIGNED_IN,
    "IssueStatement": Access.FINANCE,
    "RecordStatementPayment": Access.FINANCE,
    "CreditStatement": Access.FINANCE,
}
ACTS: Acts = {
    "IssueStatement": ("organization_id",),
    "RecordStatementPayment": ("statement_id", "amount", "paid_on"),
    "CreditStatement": ("statement_id", "amount"),
}
