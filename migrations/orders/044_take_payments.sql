-- Payments: who pays for an order, what was authorized, captured, refunded and disputed, and prepaid wallets. Triggers
-- hold the two rules that no program may break: nothing is bought before its payment is authorized, and no money is
-- taken before the eSIMs are registered, unless an operator has to look at the order.

-- Null: the order is older than payments, or a release before them recorded it.
alter table orders.esim_orders
    add column paid_by text,
    add constraint paid_by_is_known check (paid_by in ('NOBODY', 'ELSEWHERE', 'CUSTOMER')) not valid;

comment on column orders.esim_orders.paid_by is
    'NOBODY: payments were off. ELSEWHERE: a service charges the customer. CUSTOMER: see orders.payments.';
grant select (paid_by) on orders.esim_orders to orders_user;

alter table orders.esim_orders
    drop constraint esim_orders_recovery_point_check,
    add constraint recovery_point_is_known check (
        recovery_point in ('AWAITING_PAYMENT', 'CLAIMED', 'ATTEMPTED', 'PLACED', 'REGISTERED')
    ) not valid,
    drop constraint placed_orders_have_a_reference,
    add constraint placed_orders_have_a_reference check (
        recovery_point in ('AWAITING_PAYMENT', 'CLAIMED', 'ATTEMPTED') or provider_reference is not null
    ) not valid;

-- Number of digits after the point of an amount that is posted. ISO 4217 has two for most currencies.
create function orders.currency_digits(code text) returns integer language sql immutable parallel safe
    set search_path = '' as $f$
select case
    when code in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
        'XAF', 'XOF', 'XPF') then 0
    when code in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
    else 2
end
$f$;
alter function orders.currency_digits(text) owner to esimgo_owner;

create table orders.payments (
    id uuid primary key default gen_random_uuid(),
    order_id uuid unique references orders.esim_orders (id),
    customer_id uuid not null,
    top_up_key text check (top_up_key ~ '^[!-~]{1,200}$'),
    method text not null check (method in ('CARD', 'WALLET', 'MANUAL')),
    amount numeric not null check (amount >= 0),
    wallet_amount numeric not null default 0 check (wallet_amount >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    state text not null default 'AWAITING' check (
        state in ('AWAITING', 'AUTHORIZED', 'PAID', 'CAPTURED', 'RELEASED')
    ),
    captured numeric not null default 0 check (captured >= 0),
    refunded numeric not null default 0 check (refunded >= 0),
    refunded_to_card numeric not null default 0 check (refunded_to_card >= 0),
    -- At the payment provider.
    hosted boolean not null default false,
    requested_at timestamptz,
    session_id text unique check (session_id <> ''),
    intent_id text unique check (intent_id <> ''),
    charge_id text unique check (charge_id <> ''),
    return_url text not null default '',
    save_method boolean not null default false,
    authorized_at timestamptz,
    capture_before timestamptz,
    expires_at timestamptz not null,
    declines integer not null default 0 check (declines >= 0),
    failure text not null default '',
    -- What guards count.
    client_address text not null default '',
    email_domain text not null default '',
    account_created_at timestamptz,
    card_fingerprint text not null default '',
    card_last4 text not null default '',
    held_reason text not null default '',
    held_at timestamptz,
    reviewed_at timestamptz,
    reviewed_by text not null default '',
    -- How much of it the customer may get back, as it was when they bought.
    policy jsonb not null default '{}',
    reference text not null default '',
    run uuid,
    next_run_at timestamptz,
    looks integer not null default 0 check (looks >= 0),
    detail text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint only_top_ups_have_a_key check (top_up_key is null or order_id is null),
    constraint wallet_within_amount check (wallet_amount <= amount),
    constraint wallets_pay_whole check (method <> 'WALLET' or wallet_amount = amount),
    constraint captured_within_amount check (captured <= amount),
    constraint refunded_within_captured check (refunded <= captured),
    constraint card_refunds_within_card check (refunded_to_card <= amount - wallet_amount),
    constraint taken_money_is_captured check ((state in ('PAID', 'CAPTURED')) <= (captured = amount)),
    constraint untaken_money_is_not check (state not in ('AWAITING', 'AUTHORIZED') or captured = 0),
    constraint amounts_have_the_digits_of_the_currency check (
        amount = round(amount, orders.currency_digits(currency))
        and wallet_amount = round(wallet_amount, orders.currency_digits(currency))
        and refunded = round(refunded, orders.currency_digits(currency))
    ),
    constraint held_with_a_time check ((held_reason = '') = (held_at is null)),
    constraint reviewed_by_somebody check ((reviewed_at is null) = (reviewed_by = ''))
);

comment on table orders.payments is 'One row for each order that its customer pays, and for each top-up of a wallet.';
comment on column orders.payments.order_id is 'Null: the payment is a top-up of the customer''s wallet.';
comment on column orders.payments.top_up_key is 'The idempotency key of a top-up, chosen by the client.';
comment on column orders.payments.amount is 'The order''s total. The card pays what the wallet does not.';
comment on column orders.payments.state is
    'AUTHORIZED: held, not taken. PAID: taken before the order was delivered, as the method has no holds, or as a hold
was about to expire. CAPTURED: taken for a delivered order, or a top-up. RELEASED: nothing was taken, or all of it goes
back as a refund.';
comment on column orders.payments.captured is 'What was taken, from card and wallet together.';
comment on column orders.payments.refunded is 'Sum of all refunds that did not fail, those under way included.';
comment on column orders.payments.requested_at is
    'When the payment provider was first asked for an intent or session. Keys of requests are good for 24 hours.';
comment on column orders.payments.authorized_at is 'When it was first known that the order can be bought.';
comment on column orders.payments.capture_before is 'End of the hold, as the payment provider says.';
comment on column orders.payments.expires_at is 'When an unpaid order is given up.';
comment on column orders.payments.failure is 'Why the last try to pay failed, for the customer.';
comment on column orders.payments.held_reason is
    'Why a person has to look before the order is bought; empty: nobody has to. It stays after a review.';
comment on column orders.payments.reference is 'What the finance staff wrote about a manual payment.';
comment on column orders.payments.run is 'The run that works on the payment until next_run_at.';
comment on column orders.payments.next_run_at is 'When the payment is looked at again; null: when something happens.';
comment on column orders.payments.detail is 'For operators.';

create index payments_due on orders.payments (next_run_at) where next_run_at is not null;
create index payments_open on orders.payments (state, created_at) where state in ('AWAITING', 'AUTHORIZED', 'PAID');
create unique index top_ups_of_customer on orders.payments (customer_id, top_up_key) where top_up_key is not null;
create index payments_of_customer on orders.payments (customer_id, created_at desc);
create index payments_newest on orders.payments (created_at desc, id desc);
create index payments_held on orders.payments (held_at)
    where held_reason <> '' and reviewed_at is null and state in ('AUTHORIZED', 'PAID');
create index payments_of_address on orders.payments (client_address, created_at desc) where client_address <> '';
create index payments_of_domain on orders.payments (email_domain, created_at desc) where email_domain <> '';
create index payments_of_card on orders.payments (card_fingerprint, created_at desc) where card_fingerprint <> '';

create table orders.refunds (
    id uuid primary key default gen_random_uuid(),
    payment_id uuid not null references orders.payments (id),
    order_id uuid references orders.esim_orders (id),
    customer_id uuid not null,
    idempotency_key text check (idempotency_key ~ '^[!-~]{1,200}$'),
    amount numeric not null check (amount > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    destination text not null check (destination in ('CARD', 'WALLET', 'MANUAL')),
    reason text not null check (reason in ('NOT_DELIVERED', 'CANCELLED', 'STAFF', 'FRAUD_WARNING')),
    note text not null default '',
    requested_by text not null check (requested_by <> ''),
    state text not null default 'PLANNED' check (state in ('PLANNED', 'STARTED', 'PENDING', 'SUCCEEDED', 'FAILED')),
    provider_id text unique check (provider_id <> ''),
    failure text not null default '',
    started_at timestamptz,
    settled_at timestamptz,
    run uuid,
    next_run_at timestamptz default now(),
    looks integer not null default 0 check (looks >= 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- One request can go to the card and to the wallet.
    unique (payment_id, idempotency_key, destination)
);

comment on table orders.refunds is 'Recorded before the payment provider is asked; the amount is reserved by then.';
comment on column orders.refunds.state is
    'STARTED: the payment provider may have been asked. PENDING: it has accepted. FAILED may follow SUCCEEDED, even weeks
later: the amount can then be refunded in another way.';

create index refunds_due on orders.refunds (next_run_at) where next_run_at is not null;
create index refunds_of_order on orders.refunds (order_id, created_at);
create index refunds_of_payment on orders.refunds (payment_id, created_at);
create index refunds_to_export on orders.refunds (customer_id);

-- A refund takes its amount out of what is left, in the same transaction; a constraint of payments refuses too much.
create function orders.reserve_refund() returns trigger language plpgsql set search_path = '' as $f$
declare
    sign constant integer := case when tg_op = 'INSERT' then 1 else -1 end;
begin
    update orders.payments set
        refunded = refunded + sign * new.amount,
        refunded_to_card = refunded_to_card + case when new.destination = 'CARD' then sign * new.amount else 0 end,
        updated_at = now()
    where id = new.payment_id and currency = new.currency;
    if not found then
        raise exception 'a refund has the currency of its payment' using errcode = 'check_violation';
    end if;
    return null;
end
$f$;
alter function orders.reserve_refund() owner to esimgo_owner;
create trigger reserve_refund after insert on orders.refunds for each row execute function orders.reserve_refund();
create trigger give_back_failed_refund after update of state on orders.refunds
    for each row when (new.state = 'FAILED' and old.state <> 'FAILED') execute function orders.reserve_refund();

create function orders.check_refund_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    if (new.id, new.payment_id, new.order_id, new.amount, new.currency, new.destination, new.reason)
        is distinct from (old.id, old.payment_id, old.order_id, old.amount, old.currency, old.destination, old.reason)
        or (old.provider_id is not null and new.provider_id is distinct from old.provider_id) then
        raise exception 'a refund cannot change' using errcode = 'check_violation';
    end if;
    if new.state <> old.state and (old.state, new.state) not in (
        ('PLANNED', 'STARTED'), ('PLANNED', 'SUCCEEDED'), ('STARTED', 'PENDING'), ('STARTED', 'SUCCEEDED'),
        ('STARTED', 'FAILED'), ('PENDING', 'SUCCEEDED'), ('PENDING', 'FAILED'), ('SUCCEEDED', 'FAILED')
    ) then
        raise exception 'a refund cannot go from % to %', old.state, new.state using errcode = 'check_violation';
    end if;
    -- The payment provider is asked for what was recorded before, so never in the transaction of the record.
    if new.state = 'SUCCEEDED' and old.state = 'PLANNED' and new.destination = 'CARD' then
        raise exception 'a refund to a card is recorded before it is made' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_refund_change() owner to esimgo_owner;
create trigger check_refund_change before update on orders.refunds
    for each row execute function orders.check_refund_change();

alter table orders.order_revocations add column refund_percent numeric check (refund_percent between 0 and 100);
grant select (refund_percent) on orders.order_revocations to orders_user;

comment on column orders.order_revocations.refund_percent is
    'How much of the bundle''s price goes back once it is revoked; null: the customer does not pay here.';

create table orders.disputes (
    id text primary key check (id <> ''),
    payment_id uuid not null references orders.payments (id),
    amount numeric not null check (amount >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    reason text not null default '',
    status text not null check (status <> ''),
    respond_by timestamptz,
    withdrawn boolean not null default false,
    created_at timestamptz not null,
    closed_at timestamptz,
    updated_at timestamptz not null default now()
);

comment on table orders.disputes is 'Payments that a cardholder contests, as the payment provider reports them.';
comment on column orders.disputes.id is 'The payment provider''s.';
comment on column orders.disputes.status is 'The payment provider''s, such as needs_response or lost.';
comment on column orders.disputes.withdrawn is 'True while the payment provider has taken the amount from the shop.';

create index disputes_of_payment on orders.disputes (payment_id);
create index disputes_newest on orders.disputes (created_at desc, id desc);

create table orders.payment_customers (
    customer_id uuid primary key,
    provider_id text not null unique check (provider_id <> ''),
    created_at timestamptz not null default now()
);

comment on table orders.payment_customers is 'Customers that saved a payment method, by the payment provider''s id.';

create table orders.wallets (
    id uuid primary key default gen_random_uuid(),
    owner_id uuid not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    available numeric not null default 0 check (available >= 0),
    held numeric not null default 0 check (held >= 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint wallet_amounts_have_the_digits_of_the_currency check (
        available = round(available, orders.currency_digits(currency))
        and held = round(held, orders.currency_digits(currency))
    )
);

comment on table orders.wallets is 'Prepaid balances: one for each owner and currency.';
comment on column orders.wallets.held is 'Reserved for unfinished orders; no longer in `available`.';

-- Erased owners share one id.
create unique index wallets_of_owner on orders.wallets (owner_id, currency)
    where owner_id <> '00000000-0000-0000-0000-000000000000';

create table orders.wallet_entries (
    id uuid primary key default gen_random_uuid(),
    wallet_id uuid not null references orders.wallets (id),
    kind text not null check (kind in ('TOP_UP', 'HOLD', 'RELEASE', 'DEBIT', 'REFUND', 'CORRECTION')),
    available numeric not null,
    held numeric not null,
    available_after numeric not null check (available_after >= 0),
    payment_id uuid references orders.payments (id),
    refund_id uuid references orders.refunds (id),
    note text not null default '',
    actor text not null check (actor <> ''),
    n bigint generated always as identity,
    at timestamptz not null default now()
);

comment on table orders.wallet_entries is 'Every change of a wallet, with what it added to its two amounts. Insert only.';

create index wallet_entries_of_wallet on orders.wallet_entries (wallet_id, n desc);
-- Each payment is held, released, debited and credited at most once, and each refund credited once.
create unique index wallet_entries_once_for_payment on orders.wallet_entries (payment_id, kind)
    where payment_id is not null and refund_id is null;
create unique index wallet_entries_once_for_refund on orders.wallet_entries (refund_id) where refund_id is not null;

-- Recorded by the first process that requires payments: orders by a release before payments are refused from then on.
create table orders.payments_in_use (
    only_row boolean primary key default true check (only_row),
    since timestamptz not null default now()
);

comment on table orders.payments_in_use is
    'Has a row since payments are required. Deleted for a rollback to a release before payments.';

create or replace function orders.check_new_order() returns trigger language plpgsql
    set search_path = '' as $f$
begin
    if new.status <> 'PROCESSING' or new.recovery_point not in ('AWAITING_PAYMENT', 'CLAIMED')
        or new.provider_reference is not null then
        raise exception 'an order begins as a claim' using errcode = 'check_violation';
    end if;
    if new.recovery_point = 'AWAITING_PAYMENT' and new.paid_by is distinct from 'CUSTOMER' then
        raise exception 'nobody pays for this order' using errcode = 'check_violation';
    end if;
    if new.paid_by is null and exists (select from orders.payments_in_use) then
        raise exception 'an order must say who pays for it, as payments are required'
            using errcode = 'check_violation',
            hint = 'A process of a release before payments runs: stop it, or follow "Rollback" in docs/operations.md.';
    end if;
    return new;
end
$f$;

-- An order that its customer pays has a payment for exactly its total when its transaction ends.
create function orders.require_payment() returns trigger language plpgsql set search_path = '' as $f$
begin
    if not exists (
        select from orders.payments p
        where p.order_id = new.id and p.amount = new.total_price and p.currency = new.currency
    ) then
        raise exception 'order % has no payment for its total', new.id using errcode = 'check_violation';
    end if;
    return null;
end
$f$;
alter function orders.require_payment() owner to esimgo_owner;
create constraint trigger require_payment after insert on orders.esim_orders
    deferrable initially deferred
    for each row when (new.paid_by = 'CUSTOMER') execute function orders.require_payment();

create or replace function orders.check_status_change() returns trigger language plpgsql
    set search_path = '' as $f$
declare
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
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
            ('AWAITING_PAYMENT', 'CLAIMED'), ('CLAIMED', 'ATTEMPTED'), ('ATTEMPTED', 'CLAIMED'),
            ('ATTEMPTED', 'PLACED'), ('PLACED', 'REGISTERED')
        )
    ) then
        raise exception 'an order cannot go from % to %', old.recovery_point, new.recovery_point
            using errcode = 'check_violation';
    end if;
    if new.status = 'FAILED' and old.status <> 'FAILED' and old.recovery_point = 'REGISTERED' then
        raise exception 'an order whose eSIMs are with the customer cannot fail'
            using errcode = 'check_violation';
    end if;
    if new.paid_by is distinct from old.paid_by
        or (new.paid_by = 'CUSTOMER' and (new.total_price, new.currency) <> (old.total_price, old.currency)) then
        raise exception 'who pays for an order, and how much, cannot change' using errcode = 'check_violation';
    end if;
    if new.paid_by = 'CUSTOMER' then
        -- Never buy before the payment is authorized.
        if (new.recovery_point, old.recovery_point) in (('CLAIMED', 'AWAITING_PAYMENT'), ('ATTEMPTED', 'CLAIMED'))
            and not exists (
                select from orders.payments p
                where p.order_id = new.id and p.state in ('AUTHORIZED', 'PAID')
                    and (p.held_reason = '' or p.reviewed_at is not null)
            ) then
            raise exception 'order % is not paid', new.id using errcode = 'check_violation';
        end if;
        -- Nothing is delivered for good that nobody paid.
        if new.status = 'COMPLETED' and old.status <> 'COMPLETED'
            and not exists (select from orders.payments p where p.order_id = new.id and p.state = 'CAPTURED') then
            raise exception 'the payment of order % is not captured', new.id using errcode = 'check_violation';
        end if;
    end if;
    if old.provider_reference is not null
        and new.provider_reference is distinct from old.provider_reference then
        raise exception 'the provider reference of an order cannot change'
            using errcode = 'check_violation';
    end if;
    if (new.plan_id, new.bundle_name, new.quantity, new.target_iccid)
        is distinct from (old.plan_id, old.bundle_name, old.quantity, old.target_iccid) then
        raise exception 'what an order is for cannot change' using errcode = 'check_violation';
    end if;
    if (new.customer_id, new.idempotency_key)
        is distinct from (old.customer_id, old.idempotency_key)
        and not (
            new.customer_id = nobody and new.idempotency_key is null
            and old.status not in ('PROCESSING', 'NEEDS_REVIEW')
        )
    then
        raise exception 'what an order is for cannot change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;

create function orders.check_new_payment() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.state not in ('AWAITING', 'AUTHORIZED')
        or (new.state = 'AUTHORIZED' and new.wallet_amount < new.amount) then
        raise exception 'a payment begins unpaid, or paid by a wallet' using errcode = 'check_violation';
    end if;
    if new.order_id is null and (new.wallet_amount > 0 or new.method = 'WALLET') then
        raise exception 'a wallet does not top itself up' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_new_payment() owner to esimgo_owner;
create trigger check_new_payment before insert on orders.payments
    for each row execute function orders.check_new_payment();

create function orders.check_payment_change() returns trigger language plpgsql set search_path = '' as $f$
declare
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
    paid orders.esim_orders;
begin
    if (new.order_id, new.method, new.amount, new.wallet_amount, new.currency, new.policy)
        is distinct from (old.order_id, old.method, old.amount, old.wallet_amount, old.currency, old.policy)
        or (new.customer_id <> old.customer_id and new.customer_id <> nobody) then
        raise exception 'what a payment is for cannot change' using errcode = 'check_violation';
    end if;
    -- Never a second intent for an order.
    if (old.intent_id is not null and new.intent_id is distinct from old.intent_id)
        or (old.session_id is not null and new.session_id is distinct from old.session_id) then
        raise exception 'a payment has one intent' using errcode = 'check_violation';
    end if;
    if new.state = old.state then
        return new;
    end if;
    if (old.state, new.state) not in (
        ('AWAITING', 'AUTHORIZED'), ('AWAITING', 'PAID'), ('AWAITING', 'RELEASED'),
        ('AUTHORIZED', 'CAPTURED'), ('AUTHORIZED', 'PAID'), ('AUTHORIZED', 'RELEASED'),
        ('PAID', 'CAPTURED'), ('PAID', 'RELEASED'), ('RELEASED', 'PAID')
    ) and not (new.order_id is null and old.state = 'AWAITING' and new.state = 'CAPTURED') then
        raise exception 'a payment cannot go from % to %', old.state, new.state using errcode = 'check_violation';
    end if;
    if new.order_id is null then
        return new;
    end if;
    select * into paid from orders.esim_orders where id = new.order_id;
    -- Never capture before the eSIMs are registered.
    if new.state = 'CAPTURED' and paid.recovery_point <> 'REGISTERED' then
        raise exception 'the eSIMs of order % are not registered', new.order_id using errcode = 'check_violation';
    end if;
    -- What went back does not pay for a delivery.
    if old.state = 'PAID' and new.state = 'CAPTURED' and new.refunded > 0 then
        raise exception 'the payment of order % was refunded', new.order_id using errcode = 'check_violation';
    end if;
    -- After a failure, what somebody took at the payment provider is recorded, so that it can be refunded.
    if old.state = 'AUTHORIZED' and new.state = 'PAID' and paid.status not in ('NEEDS_REVIEW', 'FAILED') then
        raise exception 'the hold of order % is captured early only in a review', new.order_id
            using errcode = 'check_violation';
    end if;
    -- The finance staff records what was paid in another way after the hold had ended.
    if old.state = 'RELEASED' and (paid.status <> 'NEEDS_REVIEW' or old.captured > 0) then
        raise exception 'the payment of order % has ended', new.order_id using errcode = 'check_violation';
    end if;
    if old.state = 'PAID' and new.state = 'RELEASED' and new.refunded < new.captured then
        raise exception 'the payment of order % is not refunded', new.order_id using errcode = 'check_violation';
    end if;
    -- A delivered order keeps its payment, and an order in work its hold.
    if new.state = 'RELEASED' and paid.status not in ('FAILED', 'NEEDS_REVIEW')
        and paid.recovery_point <> 'AWAITING_PAYMENT' then
        raise exception 'order % is still being bought', new.order_id using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_payment_change() owner to esimgo_owner;
create trigger check_payment_change before update on orders.payments
    for each row execute function orders.check_payment_change();

-- A failed order gives its payment back, whoever made it fail.
create function orders.wake_payment() returns trigger language plpgsql set search_path = '' as $f$
begin
    -- The run that made it fail must not put it off when it ends.
    update orders.payments set next_run_at = now(), looks = 0, run = null
    where order_id = new.id
        and (state in ('AWAITING', 'AUTHORIZED', 'PAID') or (state = 'RELEASED' and wallet_amount > 0));
    return null;
end
$f$;
alter function orders.wake_payment() owner to esimgo_owner;
create trigger wake_payment after update of status on orders.esim_orders
    for each row when (new.paid_by = 'CUSTOMER' and new.status = 'FAILED' and old.status <> 'FAILED')
    execute function orders.wake_payment();

-- What a customer sees of a payment is part of the order: tell its subscriptions.
create function orders.notify_payment() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_orders', new.order_id || ' ' || new.customer_id);
    return null;
end
$f$;
alter function orders.notify_payment() owner to esimgo_owner;
create trigger notify_payment after update on orders.payments
    for each row when (
        new.order_id is not null
        and (new.state, new.captured, new.refunded, new.failure, new.intent_id, new.held_reason, new.reviewed_at)
            is distinct from
            (old.state, old.captured, old.refunded, old.failure, old.intent_id, old.held_reason, old.reviewed_at)
    ) execute function orders.notify_payment();

create function orders.refuse_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    raise exception 'rows of %.% never change', tg_table_schema, tg_table_name using errcode = 'check_violation';
end
$f$;
alter function orders.refuse_change() owner to esimgo_owner;
create trigger refuse_change before update or delete on orders.wallet_entries
    for each row execute function orders.refuse_change();

do $$
declare
    name text;
begin
    foreach name in array array[
        'payments', 'refunds', 'disputes', 'payment_customers', 'wallets', 'wallet_entries', 'payments_in_use'
    ] loop
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
-- Tests rely on it: only what was given above may change entries.
revoke update on orders.wallet_entries from orders_system;
grant delete on orders.payment_customers to orders_system;

-- Customers read their own wallets and entries, and what they may know of their payments.
create policy wallets_own on orders.wallets for select to orders_user
    using (owner_id = (select auth.uid()));
create policy wallets_staff on orders.wallets for select to orders_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') in ('admin', 'finance'));
grant select on orders.wallets to orders_user;
create policy wallet_entries_own on orders.wallet_entries for select to orders_user
    using (exists (select from orders.wallets w where w.id = wallet_id and w.owner_id = (select auth.uid())));
create policy wallet_entries_staff on orders.wallet_entries for select to orders_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') in ('admin', 'finance'));
grant select (id, wallet_id, kind, available, held, available_after, payment_id, refund_id, n, at)
    on orders.wallet_entries to orders_user;
