-- Repeats are recognized beyond the dedupe window, and callbacks about what was not sold here are delivered
-- when it becomes known.

alter table webhooks.inbox
    add column content_digest bytea check (length(content_digest) = 32);

comment on column webhooks.inbox.content_digest is
    'SHA-256 of the JSON with sorted keys and without white space; null: not JSON, or stored before this column.';

create index inbox_content_digest on webhooks.inbox (content_digest)
    where content_digest is not null;

comment on column webhooks.deliveries.state is
    'PENDING: to be delivered. DELIVERED: its owner has it. DEAD: given up, a person has to look. KEPT without an '
    'owner: of a type that nobody here knows. KEPT with an owner: foreign, about an eSIM or an order that was not '
    'sold here; tried again at next_attempt_at. Versions before this one read both as KEPT.';

create index deliveries_foreign on webhooks.deliveries (owner, next_attempt_at, sequence)
    where state = 'KEPT' and owner is not null;
