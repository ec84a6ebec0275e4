-- The ledger: double entry, insert only. Every transaction sums to zero in each currency when it is committed.

-- Books begin at a recorded moment: no ledger rows are demanded of older orders.
create table orders.books (
    only_row boolean primary key default true check (only_row),
    since timestamptz not null default now(),
    -- The comparison, and the recording of the payment provider's balance, are done by one replica at a time.
    check_due_at timestamptz not null default now() + interval '1 hour',
    checked_at timestamptz,
    differences integer,
    balance_due_at timestamptz not null default now()
);
insert into orders.books default values;

comment on table orders.books is 'Since when the ledger is kept, and what is done for it when.';

alter table orders.esim_orders add column tax_country text;

comment on column orders.esim_orders.tax_country is 'Country whose tax rate it was sold with; empty or null: no tax.';
grant select (tax_country) on orders.esim_orders to orders_user;

create table orders.unposted_orders (
    order_id uuid primary key references orders.esim_orders (id) on delete cascade,
    at timestamptz not null default now()
);

comment on table orders.unposted_orders is
    'Orders of which a background job has something to post: sale and cost if the customer does not pay here, and what
the provider paid back.';

-- A completed order that its customer pays here is posted with its payment, in the same transaction.
create function orders.remember_unposted() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.created_at >= (select b.since from orders.books b)
        and (new.paid_by is distinct from 'CUSTOMER' or new.status <> 'COMPLETED' or old.status = 'COMPLETED') then
        -- The lock on a row that exists keeps the job from posting the order as it was before.
        insert into orders.unposted_orders (order_id) values (new.id)
        on conflict (order_id) do update set at = now();
    end if;
    return null;
end
$f$;
alter function orders.remember_unposted() owner to esimgo_owner;
create trigger remember_unposted after update of status, cancel_requested_at on orders.esim_orders
    for each row when (
        (new.status in ('COMPLETED', 'CANCELLED', 'REFUNDED') and new.status <> old.status)
        or (old.cancel_requested_at is not null and new.cancel_requested_at is null)
    ) execute function orders.remember_unposted();

create table orders.ledger_transactions (
    id uuid primary key default gen_random_uuid(),
    n bigint generated always as identity,
    kind text not null check (kind ~ '^[A-Z_]+$'),
    -- The act that is posted, such as capture:PAYMENT_ID. An act is posted once, whatever repeats it.
    key text not null unique check (key <> ''),
    order_id uuid references orders.esim_orders (id),
    payment_id uuid references orders.payments (id),
    actor text not null check (actor <> ''),
    note text not null default '',
    at timestamptz not null default now()
);

comment on table orders.ledger_transactions is 'One row for each act that moved money, or changed what is owed.';

create table orders.ledger_entries (
    transaction_id uuid not null references orders.ledger_transactions (id),
    n smallint not null check (n > 0),
    account text not null check (account ~ '^[a-z_]+(:[A-Za-z0-9_-]+)?$'),
    amount numeric not null check (amount <> 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    primary key (transaction_id, n),
    constraint entries_have_the_digits_of_the_currency check (
        amount = round(amount, orders.currency_digits(currency))
    )
);

comment on table orders.ledger_entries is 'Positive amounts are debits, negative ones credits.';
comment on column orders.ledger_entries.account is
    'clearing:stripe, clearing:manual, clearing:elsewhere, clearing:provider, wallet:ID, deposits, revenue, tax:COUNTRY,
fees, cost, refunds, disputes, fx or losses.';

create index ledger_transactions_newest on orders.ledger_transactions (n desc);
create index ledger_transactions_by_time on orders.ledger_transactions (at);
create index ledger_transactions_of_order on orders.ledger_transactions (order_id) where order_id is not null;
create index ledger_transactions_of_payment on orders.ledger_transactions (payment_id) where payment_id is not null;
create index ledger_entries_of_account on orders.ledger_entries (account, currency);

create function orders.check_balance() returns trigger language plpgsql set search_path = '' as $f$
declare
    id constant uuid := case when tg_table_name = 'ledger_entries' then (to_jsonb(new) ->> 'transaction_id')::uuid
        else (to_jsonb(new) ->> 'id')::uuid end;
begin
    if not exists (select from orders.ledger_entries e where e.transaction_id = id)
        or exists (
            select from orders.ledger_entries e where e.transaction_id = id
            group by e.currency having sum(e.amount) <> 0
        ) then
        raise exception 'ledger transaction % does not balance', id using errcode = 'check_violation';
    end if;
    return null;
end
$f$;
alter function orders.check_balance() owner to esimgo_owner;
create constraint trigger check_balance after insert on orders.ledger_transactions
    deferrable initially deferred for each row execute function orders.check_balance();
create constraint trigger check_balance after insert on orders.ledger_entries
    deferrable initially deferred for each row execute function orders.check_balance();

create trigger refuse_change before update or delete on orders.ledger_transactions
    for each row execute function orders.refuse_change();
create trigger refuse_change before update or delete on orders.ledger_entries
    for each row execute function orders.refuse_change();

-- What the payment provider reported of each movement of its balance, for the comparison of the books.
create table orders.balance_transactions (
    id text primary key check (id <> ''),
    kind text not null,
    source_id text not null default '',
    amount numeric not null,
    fee numeric not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    exchange_rate numeric,
    payment_id uuid references orders.payments (id),
    at timestamptz not null,
    posted_at timestamptz,
    recorded_at timestamptz not null default now()
);

comment on table orders.balance_transactions is
    'Movements of the shop''s balance at the payment provider, in its settlement currency.';
comment on column orders.balance_transactions.posted_at is
    'When its fee was posted to the ledger; null: it is not ours, or not posted yet.';

create index balance_transactions_by_time on orders.balance_transactions (at);
create index balance_transactions_of_payment on orders.balance_transactions (payment_id) where payment_id is not null;

do $$
declare
    name text;
begin
    foreach name in array array[
        'books', 'unposted_orders', 'ledger_transactions', 'ledger_entries', 'balance_transactions'
    ] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
        execute format('grant select on orders.%I to orders_system', name);
    end loop;
end
$$;
grant insert on orders.unposted_orders, orders.ledger_transactions, orders.ledger_entries, orders.balance_transactions
    to orders_system;
grant update, delete on orders.unposted_orders to orders_system;
grant update on orders.books, orders.balance_transactions to orders_system;
