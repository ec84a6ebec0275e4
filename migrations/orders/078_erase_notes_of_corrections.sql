-- The notes of corrections of an erased customer's wallet are deleted; nothing else of wallets and of the ledger changes.
create function orders.check_note_change() returns trigger language plpgsql set search_path = '' as $f$
begin
    if tg_op = 'DELETE' or old.note = '' or new.note <> '' or to_jsonb(new) - 'note' <> to_jsonb(old) - 'note' then
        raise exception 'rows of %.% never change', tg_table_schema, tg_table_name using errcode = 'check_violation';
    end if;
    return new;
end
$f$;
alter function orders.check_note_change() owner to esimgo_owner;
create or replace trigger refuse_change before update or delete on orders.wallet_entries
    for each row execute function orders.check_note_change();
create or replace trigger refuse_change before update or delete on orders.ledger_transactions
    for each row execute function orders.check_note_change();
grant update (note) on orders.wallet_entries, orders.ledger_transactions to orders_system;
