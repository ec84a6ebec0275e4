-- API keys, with which programs act for an organization, and the keys that sign the tokens they are exchanged for.

-- Ids of API keys are UUIDs of version 8, which no person has. Such a member only buys.
alter table orders.members add constraint api_keys_are_buyers
    check (get_byte(uuid_send(user_id), 6) >> 4 <> 8 or role = 'BUYER') not valid;
alter table orders.members validate constraint api_keys_are_buyers;

create table orders.api_keys (
    id uuid primary key check (get_byte(uuid_send(id), 6) >> 4 = 8),
    organization_id uuid not null references orders.organizations (id),
    name text not null check (name = btrim(name) and length(name) between 1 and 100),
    key_hash bytea not null unique check (length(key_hash) = 32),
    hint text not null check (length(hint) between 1 and 20),
    scopes text[] not null check (cardinality(scopes) between 1 and 20),
    addresses text[] not null default '{}' check (cardinality(addresses) <= 20),
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    revoked_by text check (revoked_by <> ''),
    constraint expires_after_its_creation check (expires_at > created_at),
    constraint revoked_by_somebody check ((revoked_at is null) = (revoked_by is null))
);

comment on table orders.api_keys is
    'Keys of programs that act for an organization. Each is a member too, in orders.members, for as long as it is not revoked.';
comment on column orders.api_keys.key_hash is 'SHA-256 of the key, which is not kept.';
comment on column orders.api_keys.hint is 'The start of the key, by which people recognize it.';
comment on column orders.api_keys.addresses is 'IP addresses and networks that may use it; empty: all.';
comment on column orders.api_keys.last_used_at is 'Recorded at most once a minute.';

create index api_keys_of_organization on orders.api_keys (organization_id, created_at desc, id desc);

-- Ending the membership revokes the key, no matter who ends it.
create function orders.revoke_api_key() returns trigger language plpgsql set search_path = '' as $f$
begin
    update orders.api_keys set revoked_at = new.until, revoked_by = new.removed_by
    where id = new.user_id and revoked_at is null;
    return null;
end
$f$;
alter function orders.revoke_api_key() owner to esimgo_owner;
create trigger revoke_api_key after update of until on orders.members
    for each row when (old.until is null and new.until is not null)
    execute function orders.revoke_api_key();

create table orders.signing_keys (
    id text primary key check (length(id) between 8 and 64),
    public jsonb not null,
    sealed bytea not null,
    created_at timestamptz not null default now()
);

comment on table orders.signing_keys is 'Keys that sign the short-lived tokens of API keys. The newest signs, and all are published.';
comment on column orders.signing_keys.public is 'The public key as a JSON Web Key.';
comment on column orders.signing_keys.sealed is 'The private key, encrypted under a key that is derived from the service role key.';

do $$
declare
    name text;
begin
    foreach name in array array['api_keys', 'signing_keys'] loop
        execute format('alter table orders.%I owner to esimgo_owner', name);
        execute format('alter table orders.%I enable row level security', name);
        execute format('alter table orders.%I force row level security', name);
        execute format(
            'create policy %I on orders.%I for all to orders_system using (true) with check (true)',
            name || '_system', name
        );
    end loop;
end
$$;
-- Only what changes can be updated; of a key that is only its last use, its end, and who made it, when that person is erased.
grant select, insert on orders.api_keys to orders_system;
grant update (last_used_at, revoked_at, revoked_by, created_by) on orders.api_keys to orders_system;
grant select, insert, delete on orders.signing_keys to orders_system;
