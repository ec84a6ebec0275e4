-- On account: an organization with a credit limit buys now and pays a monthly statement. What it owes is in the ledger,
-- account receivable:ORGANIZATION; each ledger transaction there is a line of exactly one statement.

alter table orders.payments
    drop constraint payments_method_check,
    add constraint payments_method_check check (method in ('CARD', 'WALLET', 'MANUAL', 'INVOICE')) not valid,
    add constraint invoices_are_of_an_organization check (
        method <> 'INVOICE' or (organization_id is not null and order_id is not null and wallet_amount = 0)
    ) not valid;
comment on column orders.payments.method is
    'INVOICE: the organization pays with a statement. It is AUTHORIZED while the amount is reserved of its credit.';

alter table orders.refunds
    drop constraint refunds_destination_check,
    add constraint refunds_destination_check check (destination in ('CARD', 'WALLET', 'MANUAL', 'INVOICE')) not valid;
comment on column orders.refunds.destination is 'INVOICE: the organization owes that much less.';

create or replace function orders.check_new_payment() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.state not in ('AWAITING', 'AUTHORIZED')
        or (new.state = 'AUTHORIZED' and new.wallet_amount < new.amount and new.method <> 'INVOICE') then
        raise exception 'a payment begins unpaid, or paid by a wallet or on account' using errcode = 'check_violation';
    end if;
    if new.method = 'INVOICE' and new.state <> 'AUTHORIZED' then
        raise exception 'a payment on account begins with its credit' using errcode = 'check_violation';
    end if;
    if new.order_id is null and (new.wallet_amount > 0 or new.method = 'WALLET') then
        raise exception 'a wallet does not top itself up' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;

-- The credit is taken in the transaction of the claim, by one conditional statement: purchases at once fit or fail.
create function orders.reserve_credit() returns trigger language plpgsql set search_path = '' as $f$
begin
    update orders.organizations o set credit_reserved = o.credit_reserved + new.amount, updated_at = now()
    where o.id = new.organization_id and o.billing = 'INVOICE' and o.status = 'ACTIVE' and o.currency = new.currency
        and o.credit_reserved + o.credit_owed + new.amount <= o.credit_limit;
    if not found then
        raise exception 'organization % has no credit for this order', new.organization_id
            using errcode = 'check_violation', constraint = 'within_credit_limit';
    end if;
    return null;
end
$f$;
alter function orders.reserve_credit() owner to esimgo_owner;
create trigger credit_reserved after insert on orders.payments
    for each row when (new.method = 'INVOICE') execute function orders.reserve_credit();

create function orders.check_invoice_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    if old.state <> 'AUTHORIZED' or new.state not in ('CAPTURED', 'RELEASED') then
        raise exception 'a payment on account cannot go from % to %', old.state, new.state
            using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_invoice_change() owner to esimgo_owner;
create trigger check_invoice_change before update of state on orders.payments
    for each row when (new.method = 'INVOICE' and new.state <> old.state)
    execute function orders.check_invoice_change();

-- Deferred to the commit, so that the row of the organization, which its purchases share, is locked for a short time,
-- and before the budgets', as in a claim.
create function orders.settle_credit() returns trigger language plpgsql set search_path = '' as $f$
begin
    update orders.organizations o set
        credit_reserved = o.credit_reserved - new.amount,
        credit_owed = o.credit_owed + case when new.state = 'CAPTURED' then new.amount else 0 end,
        updated_at = now()
    where o.id = new.organization_id;
    return null;
end
$f$;
alter function orders.settle_credit() owner to esimgo_owner;
create constraint trigger credit_settled after update of state on orders.payments
    deferrable initially deferred
    for each row when (new.method = 'INVOICE' and new.state <> old.state)
    execute function orders.settle_credit();

create function orders.give_credit_back() returns trigger language plpgsql set search_path = '' as $f$
begin
    update orders.organizations o set
        credit_owed = o.credit_owed - case when new.state = 'SUCCEEDED' then new.amount else - new.amount end,
        updated_at = now()
    from orders.payments p
    where p.id = new.payment_id and o.id = p.organization_id;
    return null;
end
$f$;
alter function orders.give_credit_back() owner to esimgo_owner;
create constraint trigger credit_given_back after update of state on orders.refunds
    deferrable initially deferred
    for each row when (
        new.destination = 'INVOICE' and new.state <> old.state
        and (new.state = 'SUCCEEDED' or (old.state = 'SUCCEEDED' and new.state = 'FAILED'))
    ) execute function orders.give_credit_back();

-- What was bought on account goes back on account, and nothing else does.
create or replace function orders.reserve_refund() returns trigger language plpgsql set search_path = '' as $f$
declare
    sign constant integer := case when tg_op = 'INSERT' then 1 else -1 end;
begin
    update orders.payments set
        refunded = refunded + sign * new.amount,
        refunded_to_card = refunded_to_card + case when new.destination = 'CARD' then sign * new.amount else 0 end,
        updated_at = now()
    where id = new.payment_id and currency = new.currency and (method = 'INVOICE') = (new.destination = 'INVOICE');
    if not found then
        raise exception 'a refund has the currency of its payment, and only one on account goes back on account'
            using errcode = 'check_violation';
    end if;
    return null;
end
$f$;

-- Numbers without gaps: the row is locked until the transaction that uses the number ends.
create table orders.number_series (
    series text primary key check (series in ('STATEMENT', 'CREDIT_NOTE')),
    last bigint not null default 0 check (last >= 0)
);
insert into orders.number_series (series) values ('STATEMENT'), ('CREDIT_NOTE');

comment on table orders.number_series is 'The last number that was given. A sequence would leave gaps.';

create table orders.statements (
    id uuid primary key default gen_random_uuid(),
    n bigint not null unique check (n > 0),
    organization_id uuid not null references orders.organizations (id),
    month date not null check (extract(day from month) = 1),
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    time_zone text not null check (time_zone <> ''),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    total numeric not null check (total = round(total, orders.currency_digits(currency))),
    tax numeric not null check (tax = round(tax, orders.currency_digits(currency))),
    due_on date not null,
    name text not null check (name <> ''),
    billing_address text not null,
    country text not null,
    tax_id text not null,
    locale text not null,
    issuer text not null,
    payable_to text not null,
    issued_at timestamptz not null default now(),
    unique (organization_id, month)
);

comment on table orders.statements is
    'What an organization bought on account in a calendar month. It never changes: corrections are credit notes.';
comment on column orders.statements.n is 'Number of the statement, without gaps over all organizations.';
comment on column orders.statements.total is 'Sum of its lines; negative if more was refunded than bought.';
comment on column orders.statements.name is 'With the address, tax id and the shop''s own texts: as they were then.';

create index statements_of_organization on orders.statements (organization_id, month desc);
create index statements_newest on orders.statements (n desc);

create table orders.statement_lines (
    statement_id uuid not null references orders.statements (id),
    position integer not null check (position > 0),
    ledger_transaction_id uuid not null unique references orders.ledger_transactions (id),
    kind text not null check (kind in ('CHARGE', 'REFUND')),
    at timestamptz not null,
    order_id uuid not null references orders.esim_orders (id),
    customer_id uuid not null,
    description text not null default '',
    reference text not null default '',
    group_name text not null default '',
    quantity integer not null check (quantity > 0),
    amount numeric not null check (amount <> 0),
    tax numeric not null,
    tax_country text not null default '',
    primary key (statement_id, position)
);

comment on table orders.statement_lines is 'One ledger transaction each.';
comment on column orders.statement_lines.at is
    'When it was posted: an earlier month if its transaction ended after the statement of that month was issued.';
comment on column orders.statement_lines.customer_id is 'Who bought it. After their erasure only amounts are left.';

create index statement_lines_of_customer on orders.statement_lines (customer_id);
create index statement_lines_of_order on orders.statement_lines (order_id);

create table orders.statement_settlements (
    id uuid primary key default gen_random_uuid(),
    statement_id uuid not null references orders.statements (id),
    kind text not null check (kind in ('PAYMENT', 'CREDIT_NOTE', 'CARRIED')),
    n bigint unique check (n > 0),
    amount numeric not null check (amount <> 0),
    key text not null check (key <> ''),
    paid_on date,
    note text not null default '',
    other_statement_id uuid references orders.statements (id),
    actor text not null check (actor <> ''),
    place bigint generated always as identity,
    at timestamptz not null default now(),
    unique (statement_id, key),
    constraint only_credit_notes_have_a_number check ((kind = 'CREDIT_NOTE') = (n is not null)),
    constraint only_payments_have_a_day check ((kind = 'PAYMENT') = (paid_on is not null)),
    constraint carried_between_statements check ((kind = 'CARRIED') = (other_statement_id is not null)),
    constraint settled_by_positive_amounts check (kind = 'CARRIED' or amount > 0)
);

comment on table orders.statement_settlements is
    'What was paid, credited or carried between statements. What is left of a statement is its total less these.';
comment on column orders.statement_settlements.kind is
    'CARRIED: more was refunded, credited or paid on one statement than it needed, and counts for another one.';

create table orders.unbilled (
    ledger_transaction_id uuid primary key references orders.ledger_transactions (id),
    organization_id uuid not null references orders.organizations (id),
    at timestamptz not null
);

comment on table orders.unbilled is 'Ledger transactions that will be lines of the next statement of their organization.';

create index unbilled_of_organization on orders.unbilled (organization_id, at);

create function orders.remember_unbilled() returns trigger language plpgsql set search_path = '' as $f$
begin
    insert into orders.unbilled (ledger_transaction_id, organization_id, at)
    select t.id, split_part(new.account, ':', 2)::uuid, t.at from orders.ledger_transactions t
    where t.id = new.transaction_id and t.kind in ('TAKE', 'REFUND', 'REFUND_FAILURE');
    return null;
end
$f$;
alter function orders.remember_unbilled() owner to esimgo_owner;
create trigger remember_unbilled after insert on orders.ledger_entries
    for each row when (new.account like 'receivable:%') execute function orders.remember_unbilled();

create function orders.number_statement() returns trigger language plpgsql set search_path = '' as $f$
begin
    update orders.number_series set last = last + 1
    where series = case when tg_table_name = 'statements' then 'STATEMENT' else 'CREDIT_NOTE' end
    returning last into new.n;
    return new;
end
$f$;
alter function orders.number_statement() owner to esimgo_owner;
create trigger number_statement before insert on orders.statements
    for each row execute function orders.number_statement();
create trigger number_statement before insert on orders.statement_settlements
    for each row when (new.kind = 'CREDIT_NOTE') execute function orders.number_statement();

-- A statement says the same as its lines, which have to be there when its transaction ends.
create function orders.check_statement() returns trigger language plpgsql set search_path = '' as $f$
declare
    lines record;
begin
    select count(*) as number, sum(l.amount) as total, sum(l.tax) as tax into lines
    from orders.statement_lines l where l.statement_id = new.id;
    if lines.number = 0 or (lines.total, lines.tax) <> (new.total, new.tax) then
        raise exception 'statement % differs from its lines', new.n using errcode = 'check_violation';
    end if;
    return null;
end
$f$;
alter function orders.check_statement() owner to esimgo_owner;
create constraint trigger check_statement after insert on orders.statements
    deferrable initially deferred for each row execute function orders.check_statement();

-- Nothing is paid or credited twice, nor more than the statement is for.
create function orders.check_settlement() returns trigger language plpgsql set search_path = '' as $f$
declare
    billed orders.statements;
    remaining numeric;
    credited numeric;
begin
    select * into billed from orders.statements s where s.id = new.statement_id;
    perform from orders.organizations o where o.id = billed.organization_id for no key update;
    select billed.total - coalesce(sum(s.amount), 0),
        coalesce(sum(s.amount) filter (where s.kind = 'CREDIT_NOTE'), 0)
    into remaining, credited from orders.statement_settlements s where s.statement_id = new.statement_id;
    if new.amount <> round(new.amount, orders.currency_digits(billed.currency))
        or (new.kind = 'PAYMENT' and new.amount > remaining)
        or (new.kind = 'CREDIT_NOTE' and credited + new.amount > billed.total)
        or (new.kind = 'CARRIED' and (new.amount > greatest(remaining, 0) or new.amount < least(remaining, 0))) then
        raise exception 'statement % has % left', billed.n, remaining using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_settlement() owner to esimgo_owner;
-- After the number: its name comes later.
create trigger settlement_is_possible before insert on orders.statement_settlements
    for each row execute function orders.check_settlement();

create function orders.reduce_debt() returns trigger language plpgsql set search_path = '' as $f$
begin
    update orders.organizations o set credit_owed = o.credit_owed - new.amount, updated_at = now()
    from orders.statements s where s.id = new.statement_id and o.id = s.organization_id;
    return null;
end
$f$;
alter function orders.reduce_debt() owner to esimgo_owner;
create trigger credit_paid after insert on orders.statement_settlements
    for each row when (new.kind <> 'CARRIED') execute function orders.reduce_debt();

create trigger refuse_change before update or delete on orders.statements
    for each row execute function orders.refuse_change();
create trigger refuse_change before update or delete on orders.statement_settlements
    for each row execute function orders.refuse_change();

-- Of a line, only what may be about a person can be removed.
create function orders.check_line_change() returns trigger language plpgsql set search_path = '' as $f$
declare
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
begin
    if tg_op = 'DELETE' or new.customer_id <> nobody
        or (new.description, new.reference, new.group_name) <> ('', '', '')
        or to_jsonb(new) - array['customer_id', 'description', 'reference', 'group_name']
            <> to_jsonb(old) - array['customer_id', 'description', 'reference', 'group_name'] then
        raise exception 'lines of statements never change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_line_change() owner to esimgo_owner;
create trigger check_line_change before update or delete on orders.statement_lines
    for each row execute function orders.check_line_change();

-- Sessions read nothing of these tables: the service decides by the role of the member.
do $$
declare
    name text;
begin
    foreach name in array array[
        'number_series', 'statements', 'statement_lines', 'statement_settlements', 'unbilled'
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
grant insert on orders.statements, orders.statement_lines, orders.statement_settlements, orders.unbilled
    to orders_system;
grant update on orders.number_series, orders.statement_lines to orders_system;
grant delete on orders.unbilled to orders_system;
