-- Bundles whose known end has passed are marked as expired, whether the provider answers or not.

create index esim_bundles_open_by_end on esims.esim_bundles (ends_at)
    where state in ('processing', 'queued', 'active') and absent_since is null;

comment on table esims.esim_bundles is
    'Assignments of bundles to eSIMs; a row is never deleted. The newest answer of the provider decides.';
comment on column esims.esim_bundles.initial_bytes is
    'Base 10; 0 when not data, null when unlimited or unknown.';
comment on column esims.esim_bundles.read_at is
    'When the provider was queried for these values, or its callback received.';
