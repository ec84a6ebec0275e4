"""A database that accepts no writes."""

FULL = """
create function webhooks.fail() returns trigger language plpgsql as $f$
begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $f$;
create trigger fail before insert on webhooks.inbox
    for each statement execute function webhooks.fail();
create trigger fail before insert on webhooks.write_trials
    for each statement execute function webhooks.fail();
"""
HEAL = "drop trigger fail on webhooks.inbox; drop trigger fail on webhooks.write_trials"
