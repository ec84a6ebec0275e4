-- Which request an order goes back to, for whoever follows work that goes on after a crash.

alter table orders.esim_orders
    add column trace_parent text check (trace_parent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');

comment on column orders.esim_orders.trace_parent is
    'W3C traceparent of the request that bought or cancelled it; null: it was not traced.';
