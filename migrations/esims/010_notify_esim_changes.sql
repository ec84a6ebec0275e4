-- Tells, on the channel esimgo_esims, of every change of an eSIM or its bundles that somebody can see,
-- whoever wrote it. A notice holds the ids of the eSIM and of its customer, and nothing else: any login
-- of the database may listen.

create function esims.notify_esim() returns trigger language plpgsql set search_path = '' as
$$
begin
    -- Equal notices of one transaction are sent once.
    if tg_table_name = 'esims' then
        perform pg_notify('esimgo_esims', new.id || ' ' || new.customer_id);
    else
        perform pg_notify('esimgo_esims', new.esim_id || ' ' || new.customer_id);
    end if;
    return null;
end
$$;
alter function esims.notify_esim() owner to esimgo_owner;

create trigger notify_new after insert on esims.esims
    for each row execute function esims.notify_esim();
-- Reading the provider writes when it was read and when it is looked at next; that is no news.
create trigger notify_change after update on esims.esims
    for each row when (
        (to_jsonb(old) - array['state_read_at', 'bundles_read_at', 'follow_at', 'follow_count',
            'reference_due_at', 'reference_tries', 'updated_at'])
        is distinct from
        (to_jsonb(new) - array['state_read_at', 'bundles_read_at', 'follow_at', 'follow_count',
            'reference_due_at', 'reference_tries', 'updated_at'])
    ) execute function esims.notify_esim();

create trigger notify_new after insert on esims.esim_bundles
    for each row execute function esims.notify_esim();
create trigger notify_change after update on esims.esim_bundles
    for each row when (
        (to_jsonb(old) - array['read_at', 'updated_at'])
        is distinct from (to_jsonb(new) - array['read_at', 'updated_at'])
    ) execute function esims.notify_esim();
