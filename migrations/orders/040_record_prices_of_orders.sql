-- How the price of each order came about: the price list and rules it was sold by, what it costs the shop, tax and
-- discount, and the plan as it was sold. What customers pay stays in unit_price, total_price and currency.

-- Nothing here takes longer for a larger table: the columns have constant defaults, and no index is built. The
-- constraints apply to what is written from now on. They stay `not valid`, as validating them would read all
-- older orders, whose new columns have nothing but their defaults.
alter table orders.esim_orders
    add column price_list text,
    add column rule_version bigint,
    add column expected_cost numeric,
    add column charged_cost numeric,
    add column cost_currency text,
    add column charged_currency text,
    add column cost_above numeric,
    add column max_unit_cost numeric,
    add column exchange_rate numeric,
    add column exchange_rate_at timestamptz,
    add column tax_rate numeric,
    add column includes_tax boolean,
    add column tax_amount numeric,
    add column discount numeric,
    add column requested_currency text not null default '',
    add column coupon_code text not null default '',
    add column sold_plan jsonb,
    add constraint expected_cost_not_negative check (expected_cost >= 0) not valid,
    add constraint charged_cost_not_negative check (charged_cost >= 0) not valid,
    add constraint cost_currency_is_a_code check (cost_currency ~ '^[A-Z]{3}$') not valid,
    add constraint charged_currency_is_a_code check (charged_currency ~ '^[A-Z]{3}$') not valid,
    add constraint cost_above_positive check (cost_above > 0) not valid,
    add constraint exchange_rate_positive check (exchange_rate > 0) not valid,
    add constraint tax_rate_is_a_fraction check (tax_rate >= 0 and tax_rate <= 1) not valid,
    add constraint tax_amount_not_negative check (tax_amount >= 0) not valid,
    add constraint discount_not_negative check (discount >= 0) not valid,
    add constraint requested_currency_is_a_code check (requested_currency ~ '^([A-Z]{3})?$') not valid,
    add constraint coupon_code_is_short check (length(coupon_code) <= 40) not valid;

comment on column orders.esim_orders.price_list is 'The price list it was sold from; null: it was sold at cost.';
comment on column orders.esim_orders.rule_version is 'The version of the price rules; 0: none.';
comment on column orders.esim_orders.expected_cost is
    'What the provider is expected to charge for the whole order; null: not recorded yet, as it is older.';
comment on column orders.esim_orders.charged_cost is 'What the provider charged; null: not known.';
comment on column orders.esim_orders.cost_above is
    'By how much the charge exceeded the expected cost, for orders with a price list; null: it did not.';
comment on column orders.esim_orders.max_unit_cost is
    'The greatest cost of one plan at which the order may still be placed; null without a price list.';
comment on column orders.esim_orders.exchange_rate is 'Units of `currency` for one of `cost_currency`.';
comment on column orders.esim_orders.exchange_rate_at is 'When the rate was published; null: the same currency.';
comment on column orders.esim_orders.tax_rate is 'A fraction: 0.19 is 19 %.';
comment on column orders.esim_orders.includes_tax is 'True if the unit price includes the tax.';
comment on column orders.esim_orders.tax_amount is 'The tax in total_price.';
comment on column orders.esim_orders.discount is 'Subtracted from the unit price times the quantity.';
comment on column orders.esim_orders.requested_currency is
    'The currency that the buyer named; empty for none.';
comment on column orders.esim_orders.coupon_code is 'The code that the buyer sent, in upper case; empty for none.';
comment on column orders.esim_orders.sold_plan is
    'The plan as it was sold: title, description, countries, duration and data. Null for older orders.';

-- Only what customers may know. Costs, and what reveals them, are readable by the system only: a session never sees
-- them, whatever a program selects.
grant select (
    price_list, tax_rate, includes_tax, tax_amount, discount, requested_currency, coupon_code, sold_plan
) on orders.esim_orders to orders_user;

-- Nothing that changes later alters how an order was sold.
create function orders.check_sale() returns trigger language plpgsql set search_path = '' as $f$
begin
    if old.price_list is not null and (
        new.price_list, new.rule_version, new.unit_price, new.total_price, new.currency, new.cost_currency,
        new.max_unit_cost, new.exchange_rate, new.exchange_rate_at, new.tax_rate, new.includes_tax,
        new.tax_amount, new.discount
    ) is distinct from (
        old.price_list, old.rule_version, old.unit_price, old.total_price, old.currency, old.cost_currency,
        old.max_unit_cost, old.exchange_rate, old.exchange_rate_at, old.tax_rate, old.includes_tax,
        old.tax_amount, old.discount
    ) then
        raise exception 'the price of an order cannot change' using errcode = 'check_violation';
    end if;
    if old.price_list is null and new.price_list is not null
        or new.requested_currency <> old.requested_currency
        or (old.sold_plan is not null and new.sold_plan is distinct from old.sold_plan) then
        raise exception 'how an order was sold cannot change' using errcode = 'check_violation';
    end if;
    -- A release before coupons would charge the whole price when the provider answers: it writes no cost.
    if old.price_list is null and old.coupon_code <> '' and new.total_price <> old.total_price
        and (new.expected_cost, new.charged_cost)
            is not distinct from (old.expected_cost, old.charged_cost) then
        raise exception 'the total of an order with a coupon cannot change without its cost'
            using errcode = 'check_violation';
    end if;
    -- Before it is placed, the provider may confirm another cost.
    if old.price_list is not null and old.recovery_point <> 'CLAIMED'
        and new.expected_cost is distinct from old.expected_cost then
        raise exception 'the expected cost of a placed order cannot change'
            using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_sale() owner to esimgo_owner;

create trigger check_sale before update of
    price_list, rule_version, unit_price, total_price, currency, expected_cost, cost_currency, max_unit_cost,
    exchange_rate, exchange_rate_at, tax_rate, includes_tax, tax_amount, discount, requested_currency, sold_plan
    on orders.esim_orders for each row execute function orders.check_sale();

-- A release before price lists takes a retail price for the cost, and ignores coupons. Its processes may not sell
-- once either is in use, which the first order with a price list and the first coupon record here.
create table orders.retail_in_use (
    only_row boolean primary key default true check (only_row),
    since timestamptz not null default now()
);

comment on table orders.retail_in_use is
    'Has a row since price lists or coupons are in use: orders must record their cost then. Deleted for a rollback.';

alter table orders.retail_in_use owner to esimgo_owner;
alter table orders.retail_in_use enable row level security;
alter table orders.retail_in_use force row level security;
create policy retail_in_use_system on orders.retail_in_use for all to orders_system using (true) with check (true);
grant select, insert on orders.retail_in_use to orders_system;

create function orders.require_cost() returns trigger language plpgsql set search_path = '' as $f$
begin
    if new.expected_cost is null and exists (select from orders.retail_in_use) then
        raise exception 'an order without its cost can''t be recorded, as price lists or coupons are in use'
            using errcode = 'check_violation',
            hint = 'A process of a release before price lists runs: stop it, or follow "Rollback" in docs/operations.md.';
    end if;
    if new.price_list is not null or new.coupon_code <> '' then
        insert into orders.retail_in_use default values on conflict do nothing;
    end if;
    return new;
end
$f$;
alter function orders.require_cost() owner to esimgo_owner;

create trigger require_cost before insert on orders.esim_orders
    for each row execute function orders.require_cost();

-- Customers see neither costs nor when these were confirmed, so a change of them is no news to their subscriptions.
drop trigger notify_change on orders.esim_orders;
create trigger notify_change after update on orders.esim_orders
    for each row when (
        (to_jsonb(old) - array[
            'lease_owner', 'leased_until', 'next_run_at', 'updated_at', 'rule_version', 'expected_cost',
            'charged_cost', 'cost_currency', 'charged_currency', 'cost_above', 'max_unit_cost',
            'exchange_rate', 'exchange_rate_at', 'price_confirmed_at'
        ])
        is distinct from
        (to_jsonb(new) - array[
            'lease_owner', 'leased_until', 'next_run_at', 'updated_at', 'rule_version', 'expected_cost',
            'charged_cost', 'cost_currency', 'charged_currency', 'cost_above', 'max_unit_cost',
            'exchange_rate', 'exchange_rate_at', 'price_confirmed_at'
        ])
    ) execute function orders.notify_order();
