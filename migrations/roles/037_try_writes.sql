-- A table of each owner into which its processes try to write, to find out whether the database takes
-- writes: a row is inserted and rolled back.

do $$
declare
    owner_name text;
begin
    foreach owner_name in array array['catalogue', 'orders', 'esims', 'webhooks'] loop
        execute format('create table %I.write_trials (filler text not null)', owner_name);
        -- Uncompressed, a row of 6 kB needs a page of its own: the trial asks for new room on the disk.
        -- What is rolled back is cleaned up after some ten trials.
        execute format(
            'alter table %I.write_trials alter column filler set storage plain,
                set (autovacuum_vacuum_threshold = 10, autovacuum_vacuum_scale_factor = 0)',
            owner_name
        );
        execute format('alter table %I.write_trials owner to esimgo_owner', owner_name);
        execute format('alter table %I.write_trials enable row level security', owner_name);
        execute format('alter table %I.write_trials force row level security', owner_name);
        execute format(
            'create policy system_tries on %I.write_trials for insert to %I, esimgo_owner
                with check (true)',
            owner_name, owner_name || '_system'
        );
        execute format(
            'grant insert on %I.write_trials to %I', owner_name, owner_name || '_system'
        );
        execute format(
            'comment on table %I.write_trials is %L', owner_name,
            'Always empty: processes try here whether the database takes writes, and roll back.'
        );
    end loop;
end
$$;
