-- The bundles assigned to eSIMs, as the provider was last heard to tell of them.

create table esims.esim_bundles (
    esim_id uuid not null references esims.esims (id),
    assignment_id text not null check (assignment_id <> ''),
    customer_id uuid not null,
    name text not null check (name <> ''),
    description text not null default '',
    assignment_reference text not null default '',
    state text not null check (
        state in ('processing', 'queued', 'active', 'depleted', 'expired', 'lapsed', 'revoked')
    ),
    initial_bytes bigint check (initial_bytes >= 0),
    remaining_bytes bigint check (remaining_bytes >= 0),
    unlimited boolean not null default false,
    assigned_at timestamptz,
    started_at timestamptz,
    ends_at timestamptz,
    absent_since timestamptz,
    read_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (esim_id, assignment_id)
);

comment on table esims.esim_bundles is
    'Assignments of bundles to eSIMs; a row is never deleted, and an ended one never reopens.';
comment on column esims.esim_bundles.customer_id is
    'The eSIM''s, repeated so that the policy needs no join.';
comment on column esims.esim_bundles.state is 'The provider''s word, lower case.';
comment on column esims.esim_bundles.initial_bytes is 'Base 10; null when unlimited or not data.';
comment on column esims.esim_bundles.absent_since is
    'Since when the provider''s full list misses it: taken off the eSIM. Null again if it comes back.';
comment on column esims.esim_bundles.read_at is 'When the provider was asked for these values.';

alter table esims.esim_bundles owner to esimgo_owner;
alter table esims.esim_bundles enable row level security;
alter table esims.esim_bundles force row level security;

create index esim_bundles_customer on esims.esim_bundles (customer_id);

create policy customer_reads_own on esims.esim_bundles for select to esims_user
    using (customer_id = (select auth.uid()));
create policy admin_reads_all on esims.esim_bundles for select to esims_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy system_does_all on esims.esim_bundles for all to esims_system
    using (true) with check (true);

grant select on esims.esim_bundles to esims_user;
grant select, insert, update on esims.esim_bundles to esims_system;
