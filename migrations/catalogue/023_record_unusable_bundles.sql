-- What a sync could not use: one bad record of the provider's no longer stops all others.

alter table catalogue.sync_runs
    add column skipped integer not null default 0 check (skipped >= 0),
    add column withheld integer not null default 0 check (withheld >= 0),
    add column problems text[] not null default '{}';

comment on column catalogue.sync_runs.skipped is 'Records of the provider''s catalogue that could not be used.';
comment on column catalogue.sync_runs.withheld is
    'Plans that such a record took off sale, as their price can''t be trusted.';
comment on column catalogue.sync_runs.problems is 'What is wrong with the first of these records, a sentence each.';
comment on column catalogue.data_plans.withdrawn is
    'The provider no longer offers it, or its last record has no price that can be trusted.';
