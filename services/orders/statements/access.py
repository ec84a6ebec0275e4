"""Who may call each method of the statements service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

# The servicer admits the finance staff, and members whose role deals with money.
ACCESS: Rules = {
    "GetCreditAccount": Rule(Access.SIGNED_IN),
    "ListStatements": Rule(Access.SIGNED_IN),
    "GetStatement": Rule(Access.SIGNED_IN),
    "ListStatementLines": Rule(Access.SIGNED_IN),
    "IssueStatement": Rule(Access.FINANCE, logged=("organization_id",)),
    "RecordStatementPayment": Rule(Access.FINANCE, logged=("statement_id", "amount", "paid_on")),
    "CreditStatement": Rule(Access.FINANCE, logged=("statement_id", "amount")),
}
