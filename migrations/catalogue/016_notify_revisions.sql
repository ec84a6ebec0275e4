-- Tells, on the channel esimgo_catalogue, that what is on offer changed, whoever changed it.

create function catalogue.notify_revision() returns trigger language plpgsql set search_path = '' as
$$
begin
    -- Equal notices of one transaction are sent once, however many statements it has.
    perform pg_notify('esimgo_catalogue', 'revision');
    return null;
end
$$;
alter function catalogue.notify_revision() owner to esimgo_owner;

create trigger notify_change after update on catalogue.revision
    for each row execute function catalogue.notify_revision();
