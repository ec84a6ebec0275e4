-- Exports of orders, sales, the ledger and customers are read with the role of reports.

-- The columns of a view can only be added at its end.
create or replace view orders.sales_figures with (security_invoker = true) as
select f.transaction_id, f.n, f.at, f.sold_at, f.currency, f.converted_currency, f.order_id, f.dimension_id, f.orders, f.esims,
    a.*, f.kind, f.amount, f.converted, f.exchange_rate
from orders.sales_facts f
cross join lateral (
    select
        case when f.kind in ('SALE', 'TAX') then f.amount else 0 end as gross,
        case f.kind when 'TAX' then f.amount when 'TAX_BACK' then - f.amount else 0 end as tax,
        case when f.kind in ('REFUND', 'TAX_BACK') then f.amount else 0 end as refunds,
        case when f.kind = 'DISPUTE' then f.amount else 0 end as disputes,
        case f.kind when 'COST' then f.amount when 'COST_BACK' then - f.amount else 0 end as cost,
        case when f.kind = 'FEE' then f.amount else 0 end as fees,
        case when f.kind = 'INVENTORY' then f.amount else 0 end as inventory,
        case when f.kind in ('SALE', 'TAX') then coalesce(f.converted, 0) else 0 end as converted_gross,
        case f.kind when 'TAX' then coalesce(f.converted, 0) when 'TAX_BACK' then - coalesce(f.converted, 0) else 0 end
            as converted_tax,
        case when f.kind in ('REFUND', 'TAX_BACK') then coalesce(f.converted, 0) else 0 end as converted_refunds,
        case when f.kind = 'DISPUTE' then coalesce(f.converted, 0) else 0 end as converted_disputes,
        case f.kind when 'COST' then coalesce(f.converted, 0) when 'COST_BACK' then - coalesce(f.converted, 0) else 0 end
            as converted_cost,
        case when f.kind = 'FEE' then coalesce(f.converted, 0) else 0 end as converted_fees,
        case when f.kind = 'INVENTORY' then coalesce(f.converted, 0) else 0 end as converted_inventory
) a;

-- Of an order nothing that finds, installs or pays it: no idempotency key, activation code, session or card.
grant select (
    id, customer_id, organization_id, group_id, batch_order_id, plan_id, bundle_name, sold_plan, sold_region, quantity,
    unit_price, total_price, currency, discount, coupon_code, tax_rate, tax_country, includes_tax, tax_amount, price_list,
    exchange_rate, paid_by, customer_reference, provider_reference, status, failure_reason, created_at, updated_at
) on orders.esim_orders to orders_reports;
grant select (id, order_id, method, state, wallet_amount, captured) on orders.payments to orders_reports;
do $$
declare
    name text;
begin
    foreach name in array array['organizations', 'groups'] loop
        execute format(
            'create policy %I on orders.%I for select to orders_reports using (true)', name || '_reports', name
        );
        execute format('grant select (id, name) on orders.%I to orders_reports', name);
    end loop;
end
$$;
