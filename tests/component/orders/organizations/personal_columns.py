"""Every table of orders, and each of its columns that can hold a person.

A table or column that is missing here fails a test until it is filled, exported and erased.
"""

from collections.abc import Mapping

# Tables without any person in an organization: their erasure is tested in test_customers.py and
# test_erasing_payments.py, and by the scan of all rows here.
OF_CUSTOMERS = {
    *("coupon_redemptions", "coupons", "disputes", "esim_orders", "order_attempts", "order_esims"),
    *("order_events", "order_revocations", "payment_customers", "payment_reports", "payments"),
    *("refunds", "unposted_orders", "wallet_entries", "wallets"),
}
# Tables that hold no person.
IMPERSONAL = {
    *("balance_events", "balance_transactions", "books", "ledger_entries", "ledger_transactions"),
    *("payments_in_use", "provider_audits", "provider_balance", "retail_in_use"),
    *("area_sales", "sales_by_day", "sales_dimensions", "sales_facts", "sales_state"),
    "sales_zones",
    *("unexplained_orders", "write_trials", "outbox_deletions", "batch_turn", "signing_keys"),
    # Encrypted, and for a minute only.
    *("number_series", "unbilled", "export_links", "esim_progress", "change_cursors"),
}
# Of the other tables: the columns that can hold a person, and the value that this test puts there.
PEOPLE: Mapping[str, Mapping[str, str]] = {
    "organizations": {"created_by": "id"},
    "members": {"user_id": "id", "email": "email", "added_by": "id", "removed_by": "id"},
    "groups": {"created_by": "id"},
    "group_members": {"user_id": "id"},
    "invitations": {"email": "email", "invited_by": "id", "accepted_by": "id"},
    "outbox": {"customer_id": "id"},
    "budgets": {"user_id": "id", "created_by": "id", "updated_by": "id"},
    "budget_periods": {},
    "budget_reservations": {},
    "batches": {"customer_id": "id", "cancelled_by": "id"},
    "batch_orders": {},
    "batch_items": {"traveler_name": "name", "traveler_email": "email", "traveler_user_id": "id"},
    "api_keys": {"created_by": "id", "revoked_by": "id"},
    "statements": {},
    "statement_lines": {"customer_id": "id"},
    "statement_settlements": {"actor": "id"},
}
# The other columns of these tables with text, JSON or an id, which hold no person.
NEUTRAL = {
    *(
        "id",
        "organization_id",
        "group_id",
        "budget_id",
        "purchase_id",
        "batch_id",
        "batch_order_id",
    ),
    *("plan_id", "target_esim_id", "traveler_id", "subject_id", "lease_owner", "role", "type"),
    *(
        "billing_address",
        "country",
        "tax_id",
        "currency",
        "billing",
        "status",
        "locale",
        "time_zone",
    ),
    *("name", "scope", "period", "state", "error_policy", "waiting", "idempotency_key", "code"),
    # Of statements, which are about the organization; of lines only amounts are left.
    *(
        "issuer",
        "payable_to",
        "statement_id",
        "other_statement_id",
        "ledger_transaction_id",
        "order_id",
    ),
    *("kind", "description", "group_name", "tax_country", "key", "note"),
    *("error", "plan_title", "hint", "scopes", "addresses", "body", "reference"),
}
# Tables that name the person only as one who acted, or as a copy of what another one has.
NOT_EXPORTED = {
    "organizations",
    "groups",
    "api_keys",
    "outbox",
    "statements",
    "statement_settlements",
}
