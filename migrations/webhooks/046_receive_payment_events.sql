-- Events of the payment provider, which have an id, beside the callbacks of the eSIM provider, which have none.

alter table webhooks.inbox
    add column sender_event_id text unique check (sender_event_id ~ '^[A-Za-z0-9_-]{1,255}$');

comment on column webhooks.inbox.sender_event_id is
    'Id that the payment provider gave the event: the same id is one event, however often it comes. '
    'Null: a callback of the eSIM provider.';
comment on column webhooks.inbox.body is
    'As it was received. Of an event of the payment provider only ids and what it is about, as the rest is read from '
    'the payment provider, and may name a cardholder.';

-- Versions before this one deliver only to owners that they know, and so leave these to newer processes.
alter table webhooks.deliveries
    drop constraint deliveries_owner_check,
    add constraint owner_is_known check (owner in ('esims', 'orders', 'payments')) not valid;

comment on column webhooks.deliveries.owner is
    'The service that it is for; payments is a service of the orders process. Null: nobody knows its type.';
