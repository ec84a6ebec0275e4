-- The provider's rate limit counted here, so that all processes behind one address share it: ten tokens a
-- second for catalogue, orders and esims together, however many of each there are.

create schema provider authorization esimgo_owner;

-- Unlogged: nothing is lost when a crash empties it, and taking a token waits for no disk.
create unlogged table provider.tokens (
    -- The buckets of a window in turns, so that rows are updated in place and none is ever deleted.
    -- Slot -1 is a reservation: `bucket` is when it ends, in milliseconds, and `taken` what it needs.
    slot smallint primary key check (slot between -1 and 31),
    bucket bigint not null,
    taken integer not null check (taken >= 0)
);

comment on table provider.tokens is 'Tokens of the provider''s rate limit taken lately, by twentieths of a window.';

alter table provider.tokens owner to esimgo_owner;
alter table provider.tokens enable row level security;
alter table provider.tokens force row level security;
create policy tokens_counted on provider.tokens for all to esimgo_owner
    using (true) with check (true);

-- Takes `cost` tokens and returns 0, or returns the milliseconds until as many may be free.
-- `cap`: taken only while the window's sum stays within it, so callers with a lower cap leave room for
-- others. `span`: length of the window in milliseconds. `precedence`: 0 ignores the reservation, 1 leaves
-- room for it, 2 makes it when there is no room. The clock is the database's, the same for all callers.
create function provider.take_tokens(cost integer, cap integer, span integer, precedence integer)
returns integer language plpgsql security definer set search_path = '' as $f$
declare
    step constant integer := greatest(1, span / 20);
    now_ms bigint;
    present bigint;
    used bigint;
    room integer := cap;
begin
    -- Held until this statement commits; which is at once, as callers make it in no transaction.
    perform pg_advisory_xact_lock(7362019541);
    now_ms := floor(extract(epoch from clock_timestamp()) * 1000);
    present := now_ms / step;
    if precedence = 1 then
        room := greatest(1, cap - coalesce(
            (select t.taken from provider.tokens t
             where t.slot = -1 and t.bucket between now_ms and now_ms + 2 * span), 0
        ));
    end if;
    -- A bucket of the future is one of before the clock was put back.
    select coalesce(sum(t.taken), 0) into used from provider.tokens t
        where t.slot >= 0 and (t.bucket + 1) * step + span > now_ms and t.bucket <= present;
    -- What costs more than the cap goes alone, or it never would.
    if used = 0 or used + cost <= room then
        insert into provider.tokens as t (slot, bucket, taken)
            values (present % 32, present, cost)
            on conflict (slot) do update set
                taken = case when t.bucket = excluded.bucket then t.taken else 0 end + excluded.taken,
                bucket = excluded.bucket;
        if precedence = 2 then
            update provider.tokens t set bucket = 0 where t.slot = -1;
        end if;
        return 0;
    end if;
    if precedence = 2 then
        insert into provider.tokens as t (slot, bucket, taken) values (-1, now_ms + 2 * span, cost)
            on conflict (slot) do update set bucket = excluded.bucket, taken = excluded.taken;
    end if;
    return (
        select min((counted.bucket + 1) * step + span - now_ms) from (
            -- What is still counted once this bucket has left the window.
            select t.bucket, sum(t.taken) over (order by t.bucket desc) - t.taken as later
            from provider.tokens t
            where t.slot >= 0 and (t.bucket + 1) * step + span > now_ms and t.bucket <= present
        ) counted
        where counted.later = 0 or counted.later + cost <= room
    );
end
$f$;

alter function provider.take_tokens(integer, integer, integer, integer) owner to esimgo_owner;
revoke all on function provider.take_tokens(integer, integer, integer, integer) from public;
grant usage on schema provider to catalogue_service, orders_service, esims_service;
grant execute on function provider.take_tokens(integer, integer, integer, integer)
    to catalogue_service, orders_service, esims_service;
