-- Times that the provider reported and that can't be true are unknown: an older version stored the year 1
-- (as -infinity), the year 9999 and the like. The eSIMs concerned are read from the provider again.

-- Row security applies to the owner as well, who changes the rows here.
alter table esims.esims no force row level security;
alter table esims.esim_bundles no force row level security;
set local role esimgo_owner;

create function esims.believable(moment timestamptz) returns timestamptz language sql stable as $$
    select case when moment >= '2010-01-01 00:00:00+00' and moment <= now() + interval '10 years'
        then moment end
$$;

with bad as (
    update esims.esim_bundles
    set assigned_at = esims.believable(assigned_at),
        started_at = esims.believable(started_at),
        ends_at = esims.believable(ends_at)
    where (assigned_at, started_at, ends_at) is distinct from
        (esims.believable(assigned_at), esims.believable(started_at), esims.believable(ends_at))
    returning esim_id
)
update esims.esims set follow_at = now(), follow_count = 0 where id in (select esim_id from bad);

update esims.esims
set assigned_date = esims.believable(assigned_date),
    action_date = esims.believable(action_date),
    activated_at = esims.believable(activated_at),
    deletion_announced_at = esims.believable(deletion_announced_at),
    last_country_at = esims.believable(last_country_at),
    profile_status_at = esims.believable(profile_status_at),
    msisdn_at = esims.believable(msisdn_at),
    message_failed_at = esims.believable(message_failed_at),
    code_assigned_at = esims.believable(code_assigned_at),
    installed_at = esims.believable(installed_at),
    follow_at = now(),
    follow_count = 0
where (assigned_date, action_date, activated_at, deletion_announced_at, last_country_at,
        profile_status_at, msisdn_at, message_failed_at, code_assigned_at, installed_at,
        coalesce(follow_at, now()))
    is distinct from
    (esims.believable(assigned_date), esims.believable(action_date),
        esims.believable(activated_at), esims.believable(deletion_announced_at),
        esims.believable(last_country_at), esims.believable(profile_status_at),
        esims.believable(msisdn_at), esims.believable(message_failed_at),
        esims.believable(code_assigned_at), esims.believable(installed_at),
        esims.believable(coalesce(follow_at, now())));

drop function esims.believable(timestamptz);
reset role;
alter table esims.esims force row level security;
alter table esims.esim_bundles force row level security;
