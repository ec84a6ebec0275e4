-- When an eSIM was first installed; and reading its profile's status again, which happens often, is no news.

alter table esims.esims add column installed_at timestamptz;

comment on column esims.esims.installed_at is
    'When a device first installed it, also when it was taken off again since; null: not heard of.';
comment on column esims.esims.profile_status_at is
    'As of when profile_status is known: the time of a callback, or when the provider was asked.';

drop trigger notify_change on esims.esims;
create trigger notify_change after update on esims.esims
    for each row when (
        (to_jsonb(old) - array['state_read_at', 'bundles_read_at', 'profile_status_at', 'follow_at',
            'follow_count', 'reference_due_at', 'reference_tries', 'updated_at'])
        is distinct from
        (to_jsonb(new) - array['state_read_at', 'bundles_read_at', 'profile_status_at', 'follow_at',
            'follow_count', 'reference_due_at', 'reference_tries', 'updated_at'])
    ) execute function esims.notify_esim();
