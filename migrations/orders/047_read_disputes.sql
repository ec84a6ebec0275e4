-- Disputes and early fraud warnings: what was reported of them is read from the payment provider, and acted on.

create table orders.payment_reports (
    id text primary key check (id <> ''),
    kind text not null check (kind in ('DISPUTE', 'FRAUD_WARNING')),
    payment_id uuid not null references orders.payments (id),
    -- When the operator's choice was carried out: eSIMs suspended, or a refund recorded.
    acted_at timestamptz,
    detail text not null default '',
    run uuid,
    next_run_at timestamptz default now(),
    looks integer not null default 0 check (looks >= 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

comment on table orders.payment_reports is
    'Disputes and early fraud warnings to read from the payment provider, which an event or a poll has named.';
comment on column orders.payment_reports.id is 'The payment provider''s id of the dispute or warning.';
comment on column orders.payment_reports.next_run_at is 'When it is read again; null: when something happens.';

create index payment_reports_due on orders.payment_reports (next_run_at) where next_run_at is not null;
create index payment_reports_of_payment on orders.payment_reports (payment_id);

alter table orders.payment_reports owner to esimgo_owner;
alter table orders.payment_reports enable row level security;
alter table orders.payment_reports force row level security;
create policy payment_reports_system on orders.payment_reports for all to orders_system
    using (true) with check (true);
grant select, insert, update on orders.payment_reports to orders_system;

-- Open disputes, of which the one to answer first comes first.
create index disputes_open on orders.disputes (respond_by, id) where closed_at is null;
