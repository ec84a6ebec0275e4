-- Price lists and rules by version, what they are computed from, and the prices of all plans. Without price
-- lists, plans are sold at their cost, as before.

create table catalogue.price_rule_sets (
    version bigint primary key check (version > 0),
    lists jsonb not null check (jsonb_typeof(lists) = 'array'),
    rules jsonb not null check (jsonb_typeof(rules) = 'array'),
    note text not null default '',
    created_by uuid,
    created_at timestamptz not null default now()
);

comment on table catalogue.price_rule_sets is
    'Every version of price lists and rules; the highest applies. Only added to.';
comment on column catalogue.price_rule_sets.created_by is 'The user who set it; null: the service role key.';

create table catalogue.tax_rates (
    country text primary key check (country ~ '^[A-Z]{2}$'),
    percent numeric not null check (percent >= 0 and percent <= 100),
    updated_at timestamptz not null default now()
);

comment on table catalogue.tax_rates is 'Tax in percent by the country of the customer.';

create table catalogue.exchange_rates (
    id bigint generated always as identity primary key,
    base text not null check (base ~ '^[A-Z]{3}$'),
    quote text not null check (quote ~ '^[A-Z]{3}$' and quote <> base),
    rate numeric not null check (rate > 0 and rate < 1e12),
    source text not null check (source in ('MANUAL', 'ECB')),
    held boolean not null default false,
    at timestamptz not null,
    created_at timestamptz not null default now(),
    -- A held rate never replaces a usable one of the same time.
    unique (base, quote, source, held, at)
);

comment on table catalogue.exchange_rates is
    'Every exchange rate that was set or fetched: `rate` units of `quote` are worth one of `base`.';
comment on column catalogue.exchange_rates.created_at is 'When it was last set or fetched.';
comment on column catalogue.exchange_rates.held is
    'It differs too much from the one before to be used without being confirmed.';

create index exchange_rates_newest on catalogue.exchange_rates (base, quote, at desc) where not held;

create table catalogue.plan_prices (
    price_list text collate "C" not null,
    plan_id uuid not null references catalogue.data_plans (id),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    retail numeric not null check (retail >= 0 and retail < 1e15),
    includes_tax boolean not null,
    tax_rate numeric not null check (tax_rate >= 0 and tax_rate <= 1),
    sellable boolean not null,
    lifted boolean not null,
    cost numeric not null,
    cost_currency text not null,
    least_price numeric,
    exchange_rate numeric not null check (exchange_rate > 0),
    exchange_rate_at timestamptz,
    rule text not null default '',
    rule_version bigint not null,
    valid_from timestamptz not null default now(),
    shown_at timestamptz not null default now(),
    primary key (price_list, plan_id)
);

comment on table catalogue.plan_prices is
    'The current price of each plan in each price list, computed from its cost and the rules.';
comment on column catalogue.plan_prices.retail is 'As customers see it, with the digits of the currency.';
comment on column catalogue.plan_prices.tax_rate is 'A fraction: 0.19 is 19 %.';
comment on column catalogue.plan_prices.sellable is
    'False: no allowed price keeps the minimum margin. `retail` keeps it even so, as the public can read it.';
comment on column catalogue.plan_prices.lifted is 'The price is the least price instead of that of its rule.';
comment on column catalogue.plan_prices.least_price is
    'The exact least price that keeps the minimum margin; null: no price does.';
comment on column catalogue.plan_prices.exchange_rate is 'Units of `currency` for one of `cost_currency`.';
comment on column catalogue.plan_prices.exchange_rate_at is 'When the rate was published; null: the same currency.';
comment on column catalogue.plan_prices.rule is 'The name of the rule that matched; empty: none did.';
comment on column catalogue.plan_prices.rule_version is
    'The version of the rules that set the price; later versions left it unchanged.';

comment on column catalogue.plan_prices.valid_from is
    'When the price was written, shortly before its transaction was committed. Its cost is part of the price.';
comment on column catalogue.plan_prices.shown_at is
    'When what customers see last changed: the price, its tax, or whether the plan can be sold.';

create index plan_prices_by_price on catalogue.plan_prices (price_list, retail) where sellable;
create index plan_prices_of_plan on catalogue.plan_prices (plan_id);

create table catalogue.plan_price_history (
    like catalogue.plan_prices including defaults including comments,
    valid_to timestamptz not null,
    primary key (plan_id, price_list, valid_from)
);

comment on table catalogue.plan_price_history is 'Prices that were replaced. Only added to.';

-- The lists that public callers choose from, beside the revision, so that one row answers both.
alter table catalogue.revision
    add column rule_version bigint not null default 0,
    add column lists jsonb not null default '[]';

comment on column catalogue.revision.rule_version is 'The version of the price rules; 0: none.';
comment on column catalogue.revision.lists is '[{id, currency}] of the price lists, the default first.';

-- Sessions read what customers see, and never a cost.
do $$
declare
    name text;
begin
    foreach name in array array[
        'price_rule_sets', 'tax_rates', 'exchange_rates', 'plan_prices', 'plan_price_history'
    ] loop
        execute format('alter table catalogue.%I owner to esimgo_owner', name);
        execute format('alter table catalogue.%I enable row level security', name);
        execute format('alter table catalogue.%I force row level security', name);
        execute format(
            'create policy system_does_all on catalogue.%I for all to catalogue_system
                using (true) with check (true)',
            name
        );
    end loop;
end
$$;

create policy everyone_reads on catalogue.plan_prices for select to catalogue_user using (true);
grant select (
    price_list, plan_id, currency, retail, includes_tax, tax_rate, sellable, shown_at
) on catalogue.plan_prices to catalogue_user;

grant select, insert on catalogue.price_rule_sets, catalogue.plan_price_history to catalogue_system;
grant select, insert, update on catalogue.exchange_rates to catalogue_system;
grant select, insert, update, delete on catalogue.tax_rates, catalogue.plan_prices to catalogue_system;
grant update (rule_version, lists) on catalogue.revision to catalogue_system;

create trigger raise_revision before insert or update or delete on catalogue.plan_prices
    for each statement execute function catalogue.raise_revision();

-- The time of a plan's last change without those of its cost, which price lists don't show.
alter table catalogue.data_plans add column shown_at timestamptz not null default now();
comment on column catalogue.data_plans.shown_at is
    'When anything but price and currency last changed. As `updated_at`, for readers of price lists.';

create function catalogue.note_shown() returns trigger language plpgsql set search_path = '' as
$$
begin
    new.shown_at := new.updated_at;
    return new;
end
$$;
alter function catalogue.note_shown() owner to esimgo_owner;

create trigger note_shown before update on catalogue.data_plans
    for each row
    when (
        new.updated_at is distinct from old.updated_at
        and (
            (new.price, new.currency) is not distinct from (old.price, old.currency)
            or (
                new.description, new.region, new.groups, new.countries, new.duration_days, new.data_mb,
                new.unlimited, new.speeds, new.autostart, new.profile_name, new.allowances,
                new.region_keys, new.country_keys, new.search_text, new.withdrawn, new.hidden
            ) is distinct from (
                old.description, old.region, old.groups, old.countries, old.duration_days, old.data_mb,
                old.unlimited, old.speeds, old.autostart, old.profile_name, old.allowances,
                old.region_keys, old.country_keys, old.search_text, old.withdrawn, old.hidden
            )
        )
    )
    execute function catalogue.note_shown();

-- Plans as a price list shows them: the columns of data_plans that lists read, with the list's prices.
create view catalogue.listed_plans with (security_invoker = true) as
select
    plan.id, plan.name, plan.description, plan.region, plan.groups, plan.countries,
    plan.duration_days, price.retail as price, price.currency, plan.data_mb, plan.unlimited,
    plan.speeds, plan.autostart, plan.profile_name, plan.allowances, plan.region_keys,
    plan.country_keys, plan.search_text, plan.withdrawn,
    plan.hidden or not price.sellable as hidden,
    plan.created_at, greatest(plan.shown_at, price.shown_at) as updated_at,
    plan.offered and price.sellable as offered,
    round(price.retail / plan.duration_days, 6) as price_per_day, plan.data_rank,
    price.price_list, price.includes_tax, price.tax_rate,
    array[plan.updated_at, price.shown_at] as version
from catalogue.plan_prices price
join catalogue.data_plans plan on plan.id = price.plan_id;

comment on view catalogue.listed_plans is 'Plans with their prices of a list; `price` is what customers see.';
-- `updated_at` does not always change with both: the transaction that began first may commit last.
comment on column catalogue.listed_plans.version is 'Changes with every change of the plan or of its price.';
alter view catalogue.listed_plans owner to esimgo_owner;
grant select on catalogue.listed_plans to catalogue_user, catalogue_system;
