-- One-time links with which browsers download exports.

create table orders.export_links (
    token_hash bytea primary key check (length(token_hash) = 32),
    sealed bytea not null check (length(sealed) between 1 and 16384),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);

comment on table orders.export_links is 'Links to exports that were not opened yet. A row is deleted when its link is opened.';
comment on column orders.export_links.token_hash is 'SHA-256 of the token, which is not kept.';
comment on column orders.export_links.sealed is
    'What to export, with the session of who created the link, encrypted under a key that is derived from the token.';

create index export_links_by_expiry on orders.export_links (expires_at);

alter table orders.export_links owner to esimgo_owner;
alter table orders.export_links enable row level security;
alter table orders.export_links force row level security;
create policy export_links_system on orders.export_links for all to orders_system using (true) with check (true);
grant select, insert, delete on orders.export_links to orders_system;
-- To lock rows that are deleted.
grant update (expires_at) on orders.export_links to orders_system;
