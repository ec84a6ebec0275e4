-- Budgets of organizations. A purchase reserves all budgets that apply to it in one conditional statement, in the
-- transaction of its claim; the database settles the reservation when the order changes its status.

create table orders.budgets (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references orders.organizations (id),
    scope text not null check (scope in ('ORGANIZATION', 'GROUP', 'MEMBER')),
    group_id uuid,
    user_id uuid,
    period text not null check (period in ('NONE', 'MONTH', 'QUARTER', 'YEAR')),
    amount numeric check (amount >= 0 and amount < 1e12),
    warn_percent integer check (warn_percent between 1 and 100),
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    updated_at timestamptz not null default now(),
    updated_by text not null check (updated_by <> ''),
    ended_at timestamptz,
    constraint budgets_name_their_group check ((scope = 'GROUP') = (group_id is not null)),
    constraint budgets_name_their_member check ((scope = 'MEMBER') = (user_id is not null)),
    constraint budgets_are_of_a_group_of_the_organization
        foreign key (group_id, organization_id) references orders.groups (id, organization_id)
);

comment on table orders.budgets is
    'How much an organization, one of its groups or one of its members may spend in a period. A row is never deleted.';
comment on column orders.budgets.period is
    'Calendar period in the time zone of the organization. NONE: the budget is for all time.';
comment on column orders.budgets.amount is 'In the currency of the organization. Null: no limit, but purchases are counted.';
comment on column orders.budgets.warn_percent is
    'Share of the amount at which an event is written to the outbox, once in a period. Null: never.';
comment on column orders.budgets.ended_at is 'It applies to no purchase any more; null: it applies.';

create unique index budgets_active on orders.budgets
    (organization_id, scope, (coalesce(group_id, user_id, '00000000-0000-0000-0000-000000000000')), period)
    where ended_at is null;
create index budgets_of_user on orders.budgets (user_id) where user_id is not null;

create table orders.budget_periods (
    budget_id uuid not null references orders.budgets (id),
    starts_on date not null,
    amount numeric,
    spent numeric not null default 0,
    reserved numeric not null default 0 check (reserved >= 0),
    warned_at timestamptz,
    primary key (budget_id, starts_on)
);

comment on table orders.budget_periods is 'What was spent of a budget in a period; a period without purchases has no row.';
comment on column orders.budget_periods.starts_on is 'First day; 1970-01-01 for a budget without periods.';
comment on column orders.budget_periods.amount is 'The amount of the budget at the last purchase in the period.';
comment on column orders.budget_periods.spent is
    'Totals of completed orders less what was refunded in the period; negative if more was refunded than spent.';
comment on column orders.budget_periods.reserved is 'Totals of unfinished orders.';

create table orders.budget_reservations (
    purchase_id uuid not null,
    budget_id uuid not null,
    starts_on date not null,
    amount numeric not null check (amount >= 0),
    state text not null default 'RESERVED' check (state in ('RESERVED', 'SPENT', 'RELEASED')),
    refunded numeric not null default 0,
    created_at timestamptz not null default now(),
    settled_at timestamptz,
    primary key (purchase_id, budget_id),
    foreign key (budget_id, starts_on) references orders.budget_periods (budget_id, starts_on),
    constraint settled_at_a_time check ((state = 'RESERVED') = (settled_at is null))
);

comment on table orders.budget_reservations is 'What each purchase takes from each budget.';
comment on column orders.budget_reservations.purchase_id is
    'An order, or a part of a batch that has no order yet.';
comment on column orders.budget_reservations.state is
    'RESERVED: the order is unfinished. SPENT: it was completed. RELEASED: it failed, and takes nothing.';
comment on column orders.budget_reservations.refunded is 'What was given back, into the period of each refund.';

create index budget_reservations_of_budget on orders.budget_reservations (budget_id, starts_on);

create function orders.period_start(period text, zone text, at timestamptz) returns date language sql stable
    set search_path = '' as $f$
select case period
    when 'NONE' then date '1970-01-01'
    else date_trunc(lower(period), at at time zone zone)::date
end
$f$;
alter function orders.period_start(text, text, timestamptz) owner to esimgo_owner;

-- Rows are locked in the order of the budgets here and wherever purchases reserve them.
create function orders.settle_budgets(purchase uuid, outcome text, total numeric) returns void language plpgsql
    set search_path = '' as $f$
declare
    held record;
begin
    for held in
        select r.budget_id, r.starts_on, r.amount, coalesce(total, r.amount) as final
        from orders.budget_reservations r
        where r.purchase_id = purchase and r.state = 'RESERVED'
        order by r.budget_id for update
    loop
        update orders.budget_reservations set
            state = outcome, settled_at = now(),
            amount = case when outcome = 'SPENT' then held.final else held.amount end
        where purchase_id = purchase and budget_id = held.budget_id;
        update orders.budget_periods set
            reserved = reserved - held.amount,
            spent = spent + case when outcome = 'SPENT' then held.final else 0 end
        where budget_id = held.budget_id and starts_on = held.starts_on;
    end loop;
end
$f$;
comment on function orders.settle_budgets(uuid, text, numeric) is
    'Ends the reservations of a purchase: SPENT with its total (null: what was reserved), or RELEASED.';
alter function orders.settle_budgets(uuid, text, numeric) owner to esimgo_owner;

create function orders.give_back_to_budgets(purchase uuid, back numeric) returns void language plpgsql
    set search_path = '' as $f$
declare
    taken record;
begin
    for taken in
        select r.budget_id, b.amount, orders.period_start(b.period, o.time_zone, now()) as today
        from orders.budget_reservations r
            join orders.budgets b on b.id = r.budget_id
            join orders.organizations o on o.id = b.organization_id
        where r.purchase_id = purchase and r.state = 'SPENT'
        order by r.budget_id for update of r
    loop
        update orders.budget_reservations set refunded = refunded + back
        where purchase_id = purchase and budget_id = taken.budget_id;
        insert into orders.budget_periods as p (budget_id, starts_on, amount, spent)
        values (taken.budget_id, taken.today, taken.amount, - back)
        on conflict (budget_id, starts_on) do update set spent = p.spent + excluded.spent;
    end loop;
end
$f$;
comment on function orders.give_back_to_budgets(uuid, numeric) is
    'Gives a refund back to the budgets of a completed purchase, in the present period; a negative amount takes it again.';
alter function orders.give_back_to_budgets(uuid, numeric) owner to esimgo_owner;

-- Budgets follow the order. Deferred to the commit, so that their rows, which the purchases of an organization share, are
-- locked last and for a short time.
create function orders.follow_order() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.status = 'COMPLETED' then
        -- The provider may have charged an order without a fixed price in another currency.
        perform orders.settle_budgets(new.id, 'SPENT', (
            select new.total_price from orders.organizations o
            where o.id = new.organization_id and o.currency = new.currency
        ));
    elsif new.status = 'FAILED' then
        perform orders.settle_budgets(new.id, 'RELEASED', null);
    else
        perform orders.give_back_to_budgets(new.id, r.back)
        from (
            select max(b.amount - b.refunded) as back from orders.budget_reservations b
            where b.purchase_id = new.id and b.state = 'SPENT'
        ) r where r.back > 0;
    end if;
    return null;
end
$f$;
alter function orders.follow_order() owner to esimgo_owner;
create constraint trigger follow_order after update of status on orders.esim_orders
    deferrable initially deferred for each row when (
        new.organization_id is not null and new.status <> old.status
        and (new.status in ('COMPLETED', 'FAILED')
            -- Of an order with a payment, the refunds themselves count.
            or (new.status = 'REFUNDED' and new.paid_by is distinct from 'CUSTOMER'))
    ) execute function orders.follow_order();

create function orders.follow_refund() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform orders.give_back_to_budgets(
        new.order_id, case when new.state = 'SUCCEEDED' then new.amount else - new.amount end
    );
    return null;
end
$f$;
alter function orders.follow_refund() owner to esimgo_owner;
create constraint trigger follow_refund after update of state on orders.refunds
    deferrable initially deferred for each row when (
        new.order_id is not null and new.state <> old.state
        and (new.state = 'SUCCEEDED' or (old.state = 'SUCCEEDED' and new.state = 'FAILED'))
    ) execute function orders.follow_refund();

create function orders.warn_of_budget() returns trigger language plpgsql set search_path = '' as $f$
declare
    budget record;
begin
    select b.id, b.organization_id, b.scope, b.group_id, b.user_id, b.period, b.amount, b.warn_percent, o.currency
    into budget
    from orders.budgets b join orders.organizations o on o.id = b.organization_id
    where b.id = new.budget_id and b.ended_at is null;
    if coalesce(budget.amount, 0) = 0 or budget.warn_percent is null
        or (new.spent + new.reserved) * 100 < budget.amount * budget.warn_percent then
        return null;
    end if;
    update orders.budget_periods set warned_at = now()
    where budget_id = new.budget_id and starts_on = new.starts_on and warned_at is null;
    insert into orders.outbox (type, subject_id, organization_id, customer_id, body)
    values (
        'budget.warning', budget.id, budget.organization_id, budget.user_id,
        jsonb_build_object(
            'scope', budget.scope, 'group_id', budget.group_id, 'period', budget.period,
            'starts_on', case when budget.period <> 'NONE' then new.starts_on end,
            'amount', budget.amount::text, 'spent', new.spent::text, 'reserved', new.reserved::text,
            'currency', budget.currency, 'warn_percent', budget.warn_percent
        )
    );
    return null;
end
$f$;
alter function orders.warn_of_budget() owner to esimgo_owner;
create trigger warn_of_budget after insert or update of spent, reserved on orders.budget_periods
    for each row when (new.warned_at is null and new.amount is not null)
    execute function orders.warn_of_budget();

create function orders.check_reservation_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    if (new.budget_id, new.starts_on) <> (old.budget_id, old.starts_on)
        or (old.state <> 'RESERVED' and (new.purchase_id, new.state, new.amount)
            is distinct from (old.purchase_id, old.state, old.amount)) then
        raise exception 'a settled reservation cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_reservation_change() owner to esimgo_owner;
create trigger check_reservation_change before update on orders.budget_reservations
    for each row execute function orders.check_reservation_change();

-- Budgets, wallets and credit are amounts in the currency of the organization.
create function orders.keep_currency() returns trigger language plpgsql set search_path = '' as $f$
begin
    raise exception 'the currency of an organization cannot change' using errcode = 'check_violation';
end
$f$;
alter function orders.keep_currency() owner to esimgo_owner;
create trigger keep_currency before update of currency on orders.organizations
    for each row when (new.currency <> old.currency) execute function orders.keep_currency();

-- An organization's order is paid by it, though the buyer made the payment.
alter table orders.payments
    add column organization_id uuid,
    add constraint payments_are_of_an_organization
        foreign key (organization_id) references orders.organizations (id) not valid;
comment on column orders.payments.organization_id is
    'The organization whose wallet pays and gets refunds; null: that of the customer.';

create or replace function orders.require_payment() returns trigger language plpgsql set search_path = '' as $f$
begin
    if not exists (
        select from orders.payments p
        where p.order_id = new.id and p.amount = new.total_price and p.currency = new.currency
            and p.organization_id is not distinct from new.organization_id
    ) then
        raise exception 'order % has no payment for its total', new.id using errcode = 'check_violation';
    end if;
    return null;
end
$f$;

create function orders.keep_payer() returns trigger language plpgsql set search_path = '' as $f$
begin
    raise exception 'who pays cannot change' using errcode = 'check_violation';
end
$f$;
alter function orders.keep_payer() owner to esimgo_owner;
create trigger keep_payer before update of organization_id on orders.payments
    for each row when (new.organization_id is distinct from old.organization_id)
    execute function orders.keep_payer();

-- Sessions read nothing of these tables: the service decides by the role of the member.
do $$
declare
    name text;
begin
    foreach name in array array['budgets', 'budget_periods', 'budget_reservations'] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
        execute format('grant select, insert, update on orders.%I to orders_system', name);
    end loop;
end
$$;
