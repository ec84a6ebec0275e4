"""SQL of what the facts of sales say of one order."""

# Each fact in the currency of the order, if it has a recorded rate to it.
OF_ORDER = """
left join lateral (
    select
        min(v.sold_at) filter (where v.orders = 1) as sold_at,
        coalesce(sum(v.orders), 0) as orders,
        coalesce(sum(v.esims), 0) as esims,
        coalesce(sum(v.value) filter (where v.kind in ('SALE', 'TAX')), 0) as gross,
        coalesce(sum(v.value * case v.kind when 'TAX' then 1 else -1 end)
            filter (where v.kind in ('TAX', 'TAX_BACK')), 0) as tax,
        coalesce(sum(v.value) filter (where v.kind in ('REFUND', 'TAX_BACK')), 0) as refunds,
        coalesce(sum(v.value) filter (where v.kind = 'TAX_BACK'), 0) as refunded_tax,
        coalesce(sum(v.value) filter (where v.kind = 'DISPUTE'), 0) as disputes,
        coalesce(sum(v.value * case v.kind when 'COST' then 1 else -1 end)
            filter (where v.kind in ('COST', 'COST_BACK')), 0) as cost,
        coalesce(sum(v.value) filter (where v.kind = 'FEE'), 0) as fees,
        sum(v.amount * case v.kind when 'COST' then 1 else -1 end)
            filter (where v.kind in ('COST', 'COST_BACK')) as exact_cost,
        max(v.currency) filter (where v.kind in ('COST', 'COST_BACK')) as exact_cost_currency,
        count(*) filter (where v.kind in ('COST', 'COST_BACK') and v.value is null) as unconverted_costs,
        count(*) filter (where v.kind = 'FEE' and v.value is null) as unconverted_fees,
        count(*) filter (where v.kind is not null and v.value is null) as unconverted
    from (
        select s.kind, s.amount, s.currency, s.sold_at, s.orders, s.esims,
            case o.currency when s.currency then s.amount when s.converted_currency then s.converted end
                as value
        from orders.ledger_transactions t join orders.sales_facts s on s.transaction_id = t.id
        where t.order_id = o.id
    ) v
) f on true
"""
