-- What the provider's callbacks tell of an eSIM beyond its bundles.

alter table esims.esims
    add column activated_at timestamptz,
    add column deletion_announced_at timestamptz,
    add column last_country text not null default '' check (char_length(last_country) <= 100),
    add column last_country_at timestamptz,
    add column profile_status text not null default '' check (char_length(profile_status) <= 100),
    add column profile_status_at timestamptz,
    add column msisdn text not null default '' check (char_length(msisdn) <= 100),
    add column msisdn_at timestamptz,
    add column message_failed_at timestamptz,
    add column code_assigned_at timestamptz;

comment on column esims.esims.activated_at is 'When it was first seen on a network.';
comment on column esims.esims.deletion_announced_at is
    'When the provider announced to delete it for want of use, seven days later; null again with a new bundle.';
comment on column esims.esims.last_country_at is
    'When the callback came in: it has no time of its own, and an older one changes nothing.';
comment on column esims.esims.code_assigned_at is
    'The date of the newest esim.assigned that was taken in; an older one changes nothing.';
