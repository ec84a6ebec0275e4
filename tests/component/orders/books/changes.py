"""Changes behind the back of all triggers, and the difference that each makes."""

PAYMENT = "(select id from orders.payments where order_id = $1::text::uuid)"

# What is changed, of which order, and the code that names it.
CHANGES = [
    (
        "kept",
        "update orders.ledger_entries set amount = amount + 1 where account = 'revenue'"
        " and transaction_id = (select id from orders.ledger_transactions where key = 'sale:' || $1)",
        "UNBALANCED",
    ),
    (
        "kept",
        "update orders.ledger_transactions set key = 'x' where key = 'take:' || {payment}",
        "CAPTURE_NOT_POSTED",
    ),
    (
        "kept",
        "update orders.ledger_entries set account = 'clearing:manual' where account = 'clearing:stripe'"
        " and transaction_id = (select id from orders.ledger_transactions where key = 'take:' || {payment})",
        "CAPTURE_DIFFERS",
    ),
    (
        "kept",
        "insert into orders.ledger_transactions (kind, key, payment_id, actor) values"
        " ('TAKE', 'y', {payment}, 'test')",
        "CAPTURE_POSTED_TWICE",
    ),
    (
        "kept",
        "update orders.payments set captured = 0, state = 'RELEASED' where order_id = $1::text::uuid",
        "CAPTURE_POSTED_WITHOUT_MONEY",
    ),
    (
        "kept",
        "update orders.esim_orders set status = 'FAILED', failure_reason = 'PAID_BACK'"
        " where id = $1::text::uuid",
        "FAILED_ORDER_KEEPS_MONEY",
    ),
    (
        "kept",
        "update orders.ledger_transactions set key = 'x' where key = 'sale:' || $1",
        "SALE_NOT_POSTED",
    ),
    (
        "kept",
        "update orders.esim_orders set total_price = total_price + 1 where id = $1::text::uuid",
        "SALE_DIFFERS",
    ),
    (
        "kept",
        "update orders.ledger_transactions set key = 'x' where key = 'cost:' || $1",
        "COST_NOT_POSTED",
    ),
    (
        "kept",
        "update orders.esim_orders set charged_cost = charged_cost + 1 where id = $1::text::uuid",
        "COST_DIFFERS",
    ),
    (
        "kept",
        "update orders.ledger_entries set account = 'deposits' where account = 'revenue'"
        " and transaction_id = (select id from orders.ledger_transactions where key = 'sale:' || $1)",
        "DEPOSIT_LEFT",
    ),
    (
        "cancelled",
        "update orders.order_revocations set refund = 'NONE' where order_id = $1::text::uuid",
        "COST_RETURN_DIFFERS",
    ),
    (
        "refunded",
        "update orders.ledger_transactions set key = 'x' where kind = 'REFUND'"
        " and order_id = $1::text::uuid",
        "REFUND_NOT_POSTED",
    ),
    (
        "refunded",
        "update orders.refunds set amount = amount + 1 where order_id = $1::text::uuid",
        "REFUND_DIFFERS",
    ),
    (
        "refunded",
        "update orders.refunds set state = 'FAILED' where order_id = $1::text::uuid",
        "REFUND_NOT_REVERSED",
    ),
    (
        "refunded",
        "update orders.refunds set state = 'PENDING' where order_id = $1::text::uuid",
        "REFUND_POSTED_EARLY",
    ),
    (
        "by_wallet",
        "update orders.wallet_entries set available = available + 1 where kind = 'HOLD'"
        " and payment_id = {payment}",
        "WALLET_ENTRIES_DIFFER",
    ),
    (
        "by_wallet",
        "update orders.ledger_entries set account = 'losses' where account like 'wallet:%'"
        " and transaction_id = (select id from orders.ledger_transactions where key = 'take:' || {payment})",
        "WALLET_LEDGER_DIFFERS",
    ),
    (
        "kept",
        "update orders.esim_orders set provider_reference = 'unheard-of' where id = $1::text::uuid",
        "ORDER_NOT_AT_PROVIDER",
    ),
    (
        "kept",
        "update orders.esim_orders set provider_reference = 'unheard-of' where id = $1::text::uuid",
        "PROVIDER_ORDER_UNKNOWN",
    ),
    (
        "kept",
        "update orders.ledger_entries set amount = amount + sign(amount) where transaction_id ="
        " (select id from orders.ledger_transactions where key = 'cost:' || $1)",
        "PROVIDER_COST_DIFFERS",
    ),
    (
        "kept",
        "update orders.payments set captured = 0, state = 'RELEASED' where order_id = $1::text::uuid",
        "CHARGE_NOT_CAPTURED",
    ),
    (
        "kept",
        "update orders.payments set amount = amount + 1, captured = captured + 1"
        " where order_id = $1::text::uuid",
        "CHARGE_DIFFERS",
    ),
    (
        "refunded",
        "update orders.refunds set provider_id = 're_other' where order_id = $1::text::uuid",
        "REFUND_UNKNOWN",
    ),
    (
        "refunded",
        "update orders.refunds set state = 'STARTED' where order_id = $1::text::uuid",
        "REFUND_NOT_RECORDED",
    ),
    (
        "refunded",
        "update orders.refunds set amount = amount + 1 where order_id = $1::text::uuid",
        "REFUND_AMOUNT_DIFFERS",
    ),
    (
        "kept",
        "update orders.payments set intent_id = 'pi_unheard' where order_id = $1::text::uuid",
        "CAPTURE_NOT_AT_PROVIDER",
    ),
]
