-- The eSIMs that were delivered to customers.

create table esims.esims (
    id uuid primary key default gen_random_uuid(),
    iccid text not null unique check (iccid ~ '^[0-9]{18,22}$'),
    customer_id uuid not null,
    order_id uuid not null,
    plan_id uuid not null,
    order_reference text not null check (order_reference <> ''),
    bundle_name text not null check (bundle_name <> ''),
    customer_ref text not null default '' check (char_length(customer_ref) <= 100),
    auto_activate boolean not null default false,
    status text not null check (
        status in ('PROCESSING', 'ASSIGNED', 'ACTIVE', 'SUSPENDED', 'EXPIRED', 'CANCELLED')
    ),
    provider_state text not null default 'active' check (
        provider_state in ('active', 'suspended', 'deactivated')
    ),
    matching_id text not null default '',
    smdp_address text not null default '',
    assigned_date timestamptz,
    last_action text not null default '',
    action_date timestamptz,
    order_cancelled_at timestamptz,
    state_read_at timestamptz,
    bundles_read_at timestamptz,
    follow_at timestamptz,
    follow_count integer not null default 0 check (follow_count >= 0),
    reference_due_at timestamptz,
    reference_tries integer not null default 0 check (reference_tries >= 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

comment on table esims.esims is 'eSIMs delivered to customers; a row is never deleted.';
comment on column esims.esims.order_reference is
    'The provider''s order reference: assignments of this order carry it with an index appended.';
comment on column esims.esims.status is
    'Follows from the other columns and from the bundles; kept so that lists can filter by it.';
comment on column esims.esims.provider_state is 'What the provider last said, whatever the bundles are.';
comment on column esims.esims.matching_id is 'Secret of the customer: whoever has it can install the eSIM.';
comment on column esims.esims.order_cancelled_at is
    'Since when bundles of the order count as revoked, also those that are read later.';
comment on column esims.esims.state_read_at is
    'When the provider was last asked for its state; an answer to an older question is dropped.';
comment on column esims.esims.follow_at is
    'When the service looks at the provider by itself again; null: only when somebody asks.';
comment on column esims.esims.reference_due_at is
    'When customer_ref is sent to the provider again; null: it is there, or was given up.';

alter table esims.esims owner to esimgo_owner;
alter table esims.esims enable row level security;
alter table esims.esims force row level security;

-- A customer's pages are read in this order; the policy reads the first column.
create index esims_customer_newest on esims.esims (customer_id, created_at desc, id desc);
create index esims_newest on esims.esims (created_at desc, id desc);
create index esims_order on esims.esims (order_id);
create index esims_follow_due on esims.esims (follow_at) where follow_at is not null;
create index esims_reference_due on esims.esims (reference_due_at)
    where reference_due_at is not null;

create policy customer_reads_own on esims.esims for select to esims_user
    using (customer_id = (select auth.uid()));
create policy admin_reads_all on esims.esims for select to esims_user
    using (((select auth.jwt()) #>> '{app_metadata,role}') = 'admin');
create policy system_does_all on esims.esims for all to esims_system
    using (true) with check (true);

grant select on esims.esims to esims_user;
grant select, insert, update on esims.esims to esims_system;
