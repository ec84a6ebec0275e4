-- Streams of a person's orders are read again when a membership of theirs changes, and end if it was removed.

create function orders.notify_membership() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_orders', old.user_id::text);
    return null;
end
$f$;
alter function orders.notify_membership() owner to esimgo_owner;
create trigger notify_membership after update of role, until on orders.members
    for each row execute function orders.notify_membership();
