-- An erased person's id goes out of the payments and credit notes that they recorded; nothing else of these changes.
create function orders.check_settlement_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    if tg_op = 'DELETE' or new.actor <> 'erased' or to_jsonb(new) - 'actor' <> to_jsonb(old) - 'actor' then
        raise exception 'payments of statements and credit notes never change' using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_settlement_change() owner to esimgo_owner;
drop trigger refuse_change on orders.statement_settlements;
create trigger check_settlement_change before update or delete on orders.statement_settlements
    for each row execute function orders.check_settlement_change();
grant update (actor) on orders.statement_settlements to orders_system;
