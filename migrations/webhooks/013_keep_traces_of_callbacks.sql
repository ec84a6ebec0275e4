-- Where a callback was taken in, for whoever follows it through its delivery.

alter table webhooks.inbox
    add column trace_parent text check (trace_parent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');

comment on column webhooks.inbox.trace_parent is
    'W3C traceparent of the request that brought it first; null: it was not traced.';
