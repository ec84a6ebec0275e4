-- Top-ups, limits of price, the keepings of operators; and rules that no program can step over.

alter table orders.esim_orders
    add column target_esim_id uuid,
    add column target_iccid text check (target_iccid ~ '^[0-9]{18,22}$'),
    add column allow_reassign boolean not null default false,
    add column needs_new_esim boolean not null default false,
    add column reassigned boolean not null default false,
    add column max_price numeric check (max_price >= 0),
    add column max_total numeric check (max_total >= 0),
    add column failure_reason text not null default '',
    add column cancel_unused_only boolean not null default false,
    add constraint one_plan_for_one_esim check (
        (target_esim_id is null) = (target_iccid is null)
        and (target_esim_id is null or quantity = 1)
    ),
    add constraint reassigning_was_allowed check (
        (allow_reassign or not needs_new_esim) and (needs_new_esim or not reassigned)
        and (target_esim_id is not null or not allow_reassign)
    ),
    add constraint failed_orders_kept_no_money check (
        status <> 'FAILED' or provider_reference is null or failure_reason = 'PAID_BACK'
    ),
    add constraint only_failed_orders_have_a_failure check (
        status = 'FAILED' or failure_reason = ''
    );

comment on column orders.esim_orders.target_esim_id is
    'The customer''s own eSIM that gets the plan; null for new eSIMs.';
comment on column orders.esim_orders.needs_new_esim is
    'The plan does not fit the eSIM that was named, and the customer allowed a new one.';
comment on column orders.esim_orders.reassigned is 'It came on another eSIM than was named.';
comment on column orders.esim_orders.max_price is 'The customer''s limit for one, when it was given.';
comment on column orders.esim_orders.failure_reason is 'Why it failed, for programs.';
comment on column orders.esim_orders.cancel_unused_only is
    'The cancellation that is asked for leaves bundles in use alone.';

-- What is open is little: what needs a look, and how old it is, are read from here.
create index esim_orders_open on orders.esim_orders (status, created_at)
    where status in ('PROCESSING', 'NEEDS_REVIEW');

-- Which eSIMs were here before tells top-ups from purchases in the provider's history.
create index esim_orders_target on orders.esim_orders (target_iccid) where target_iccid is not null;
create index order_esims_by_iccid on orders.order_esims (iccid);

create or replace function orders.check_status_change() returns trigger language plpgsql
    set search_path = '' as $f$
begin
    if new.status <> old.status and not (
        (old.status = 'PROCESSING' and new.status in ('NEEDS_REVIEW', 'COMPLETED', 'FAILED'))
        or (old.status = 'NEEDS_REVIEW' and new.status in ('PROCESSING', 'COMPLETED', 'FAILED'))
        or (old.status = 'COMPLETED' and new.status in ('CANCELLED', 'REFUNDED'))
    ) then
        raise exception 'an order cannot go from % to %', old.status, new.status
            using errcode = 'check_violation';
    end if;
    if new.recovery_point <> old.recovery_point and not (
        old.status in ('PROCESSING', 'NEEDS_REVIEW')
        and (old.recovery_point, new.recovery_point) in (
            ('CLAIMED', 'ATTEMPTED'), ('ATTEMPTED', 'CLAIMED'), ('ATTEMPTED', 'PLACED'),
            ('PLACED', 'REGISTERED')
        )
    ) then
        raise exception 'an order cannot go from % to %', old.recovery_point, new.recovery_point
            using errcode = 'check_violation';
    end if;
    if new.status = 'FAILED' and old.status <> 'FAILED' and old.recovery_point = 'REGISTERED' then
        raise exception 'an order whose eSIMs are with the customer cannot fail'
            using errcode = 'check_violation';
    end if;
    if old.provider_reference is not null
        and new.provider_reference is distinct from old.provider_reference then
        raise exception 'the provider reference of an order cannot change'
            using errcode = 'check_violation';
    end if;
    if (new.customer_id, new.idempotency_key, new.plan_id, new.bundle_name, new.quantity,
        new.target_iccid) is distinct from (old.customer_id, old.idempotency_key, old.plan_id,
        old.bundle_name, old.quantity, old.target_iccid) then
        raise exception 'what an order is for cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;

create function orders.check_new_order() returns trigger language plpgsql
    set search_path = '' as $f$
begin
    if (new.status, new.recovery_point) <> ('PROCESSING', 'CLAIMED')
        or new.provider_reference is not null then
        raise exception 'an order begins as a claim' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_new_order() owner to esimgo_owner;

create trigger check_new_order before insert on orders.esim_orders
    for each row execute function orders.check_new_order();

alter table orders.order_attempts
    add column target_iccid text,
    add column source_address text;

comment on column orders.order_attempts.target_iccid is
    'The eSIM that the call named as the only one to get the bundle; null when a new one comes.';
comment on column orders.order_attempts.source_address is
    'The address that the provider''s own answer says we called from.';

-- The rule that money hangs on: an order is not placed again while an attempt of it bought or may have.
create unique index order_attempts_one_that_may_have_bought on orders.order_attempts (order_id)
    where outcome in ('OPEN', 'UNCLEAR', 'PLACED');
create index order_attempts_source on orders.order_attempts (started_at desc)
    where source_address is not null;

create function orders.check_outcome_change() returns trigger language plpgsql
    set search_path = '' as $f$
begin
    if new.outcome <> old.outcome and not (
        old.outcome = 'OPEN'
        or (old.outcome = 'UNCLEAR' and new.outcome in ('PLACED', 'ABSENT'))
    ) then
        raise exception 'an attempt cannot go from % to %', old.outcome, new.outcome
            using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_outcome_change() owner to esimgo_owner;

create trigger check_outcome_change before update on orders.order_attempts
    for each row execute function orders.check_outcome_change();

alter table orders.order_events add column note text not null default '';
comment on column orders.order_events.note is 'What an operator wrote about the step.';

create table orders.unexplained_orders (
    reference text primary key check (reference <> ''),
    bundle_name text not null,
    quantity integer not null,
    total numeric,
    currency text,
    source_address text not null default '',
    iccids text[] not null,
    created_at timestamptz not null,
    found_at timestamptz not null default now()
);
comment on table orders.unexplained_orders is
    'Purchases in the provider''s history that no order here explained when they were found.';

create table orders.provider_audits (
    id boolean primary key default true check (id),
    read_until timestamptz not null,
    due_at timestamptz not null
);
comment on table orders.provider_audits is
    'One row: up to when the provider''s history was compared with the orders here, and when it is next.';
-- What was bought before the platform came is nobody's question here.
insert into orders.provider_audits (read_until, due_at) values (now(), now());

do $$
declare
    name text;
begin
    foreach name in array array['unexplained_orders', 'provider_audits'] loop
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

-- Only what a customer may know.
grant select (
    target_esim_id, target_iccid, allow_reassign, needs_new_esim, reassigned, max_price, max_total,
    failure_reason, cancel_unused_only
) on orders.esim_orders to orders_user;
