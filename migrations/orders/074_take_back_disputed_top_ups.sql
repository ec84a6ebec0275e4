-- What a wallet still has of a disputed top-up is taken back, and given back if the shop wins.

alter table orders.wallet_entries
    drop constraint wallet_entries_kind_check,
    add constraint wallet_entries_kind_check check (
        kind in ('TOP_UP', 'HOLD', 'RELEASE', 'DEBIT', 'REFUND', 'CORRECTION', 'DISPUTE', 'DISPUTE_RETURN')
    ) not valid,
    add column dispute_id text references orders.disputes (id),
    add constraint disputes_are_named check ((kind in ('DISPUTE', 'DISPUTE_RETURN')) = (dispute_id is not null)) not valid;

comment on column orders.wallet_entries.dispute_id is 'The dispute of a top-up that takes its amount back, or has given it back.';

-- The amount of a dispute is taken and given back at most once.
create unique index wallet_entries_once_for_dispute on orders.wallet_entries (dispute_id, kind)
    where dispute_id is not null;
