-- How far orders got: from their start to the first use of their eSIMs, which the esims service reports; and who bought
-- again. Reports read all of it from the orders themselves, so purchases write nothing more than before.

create table orders.esim_progress (
    esim_id uuid primary key,
    order_id uuid not null,
    installed_at timestamptz,
    first_used_at timestamptz,
    version bigint not null
);
create index esim_progress_of_order on orders.esim_progress (order_id);

comment on table orders.esim_progress is
    'Copy of what esims.esims has of each eSIM''s installation and first use, from the changes that the esims service reports.';
comment on column orders.esim_progress.order_id is 'The order that delivered the eSIM. Top-ups deliver none.';
comment on column orders.esim_progress.version is 'Of the eSIM''s change; a change with a lower one is ignored.';

create table orders.change_cursors (
    source text primary key,
    cursor text not null,
    updated_at timestamptz not null default now(),
    complete_at timestamptz
);

comment on table orders.change_cursors is 'Up to where the changes of other owners were applied.';
comment on column orders.change_cursors.complete_at is
    'When all changes were applied last; null while a reader that started from the beginning is still behind.';

do $$
declare
    name text;
begin
    foreach name in array array['esim_progress', 'change_cursors'] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
        execute format('grant select, insert, update on orders.%I to orders_system', name);
    end loop;
    foreach name in array array[
        'esim_progress', 'change_cursors', 'esim_orders', 'order_esims', 'payments'
    ] loop
        execute format(
            'create policy %I on orders.%I for select to orders_reports using (true)', name || '_reports', name
        );
    end loop;
end
$$;
grant select on orders.esim_progress, orders.change_cursors to orders_reports;
-- Nothing that a customer wrote, and no secret.
grant select (
    id, customer_id, organization_id, batch_order_id, plan_id, bundle_name, sold_plan, sold_region, quantity, currency,
    coupon_code, target_esim_id, reassigned, paid_by, status, recovery_point, failure_reason, created_at
) on orders.esim_orders to orders_reports;
grant select (order_id, registered_at) on orders.order_esims to orders_reports;
grant select (order_id, authorized_at) on orders.payments to orders_reports;

-- The dimensions are those of orders.sales_dimension, which takes a whole row, and reports may not read whole rows.
create view orders.order_milestones with (security_invoker = true) as
select
    o.id as order_id,
    o.created_at as started_at,
    case when o.paid_by = 'CUSTOMER' then coalesce(p.authorized_at, o.created_at) else o.created_at end as payable_at,
    o.paid_by is distinct from 'CUSTOMER' or p.authorized_at is not null or o.recovery_point in ('PLACED', 'REGISTERED')
        as authorized,
    o.recovery_point in ('PLACED', 'REGISTERED') as bought,
    o.recovery_point = 'REGISTERED' as delivered,
    o.status = 'FAILED' as failed,
    o.failure_reason,
    o.quantity,
    o.target_esim_id is not null and not o.reassigned as top_up,
    o.plan_id,
    o.bundle_name,
    case
        when s.countries is null then 'UNKNOWN'
        when s.countries = 1 then o.sold_plan #>> '{countries,0}'
        else coalesce(nullif(o.sold_region, ''), 'MULTIPLE')
    end as area,
    case when s.countries = 1 then o.sold_plan #>> '{countries,0}' end as country,
    coalesce(o.sold_region, '') as region,
    (o.sold_plan ->> 'duration_days')::integer as duration_days,
    coalesce((o.sold_plan ->> 'unlimited')::boolean, false) as unlimited,
    o.organization_id,
    coalesce(o.coupon_code, '') as coupon_code,
    case
        when o.batch_order_id is not null then 'BATCH'
        -- The id of an API key is a UUID of version 8.
        when substr(o.customer_id::text, 15, 1) = '8' then 'API'
        else 'SHOP'
    end as source,
    o.currency as sale_currency
from orders.esim_orders o
left join orders.payments p on p.order_id = o.id
cross join lateral (select jsonb_array_length(o.sold_plan -> 'countries') as countries) s;
alter view orders.order_milestones owner to esimgo_owner;
comment on view orders.order_milestones is 'How far each order got, and what it is for.';
comment on column orders.order_milestones.payable_at is 'When nothing but the purchase itself was left to do.';
comment on column orders.order_milestones.authorized is 'True also for orders that are not paid here.';
grant select on orders.order_milestones to orders_system, orders_reports;
