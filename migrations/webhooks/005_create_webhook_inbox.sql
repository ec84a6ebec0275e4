-- Callbacks as they came in: stored and committed before they are acknowledged.

create table webhooks.inbox (
    id uuid primary key default gen_random_uuid(),
    received_at timestamptz not null default now(),
    -- Of the raw body: equal bodies within the dedupe window are one event.
    digest bytea not null check (length(digest) = 32),
    body bytea not null,
    -- Lower-case names; the signature and what identifies the sender, never cookies or tokens.
    headers jsonb not null,
    -- The vocabulary's own word, such as Utilisation or order.completed; 'unknown' for any other body.
    event_type text not null check (event_type <> ''),
    signed boolean not null,
    -- How often an equal body came within the window, the first time included.
    times_received integer not null default 1 check (times_received > 0),
    last_received_at timestamptz not null default now()
);

comment on table webhooks.inbox is 'Every accepted callback, raw; only the webhook process reads it.';

create index inbox_digest on webhooks.inbox (digest, received_at desc);
create index inbox_received_at on webhooks.inbox (received_at);

alter table webhooks.inbox owner to esimgo_owner;
alter table webhooks.inbox enable row level security;
alter table webhooks.inbox force row level security;

create policy inbox_system on webhooks.inbox for all to webhooks_system
    using (true) with check (true);
create policy inbox_admin on webhooks.inbox for select to webhooks_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');

grant select, insert, update on webhooks.inbox to webhooks_system;
grant select on webhooks.inbox to webhooks_user;
