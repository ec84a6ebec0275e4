-- An eSIM stays when its customer is erased, as the provider's bill names it; nothing of the person stays
-- with it, nor comes back with what the provider tells later.
--
-- The customer of an erased row is the id of nobody: 00000000-0000-0000-0000-000000000000.

create function esims.keep_nothing_of_the_erased() returns trigger language plpgsql
    set search_path = '' as
$$
begin
    new.matching_id := '';
    new.smdp_address := '';
    new.customer_ref := '';
    new.msisdn := '';
    new.msisdn_at := null;
    new.last_country := '';
    new.last_country_at := null;
    -- Nobody is there who would ask.
    new.follow_at := null;
    return new;
end
$$;
alter function esims.keep_nothing_of_the_erased() owner to esimgo_owner;

create trigger keep_nothing_of_the_erased before insert or update on esims.esims
    for each row when (new.customer_id = '00000000-0000-0000-0000-000000000000')
    execute function esims.keep_nothing_of_the_erased();

comment on column esims.esims.customer_id is
    'The `sub` of the session that bought it; all noughts when the customer was erased.';
