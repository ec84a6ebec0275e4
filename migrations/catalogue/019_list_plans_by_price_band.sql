-- Plans by band of price, as one more kind of place, so that a page below a price costs the same in every order.

create function catalogue.price_band(price numeric)
returns integer language sql immutable strict parallel safe
-- Grows with the price. Between two prices that shops ask for is one band, and each of them is one of its own, so that
-- both "at most 10" and "at least 10" are whole bands.
begin atomic
    select 2 * width_bucket(price, ends) - (price = any (ends))::integer
    from (values (array[
        0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200,
        300, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000
    ])) as asked_for (ends);
end;
alter function catalogue.price_band(numeric) owner to esimgo_owner;

create function catalogue.places_of(
    country_keys text[], region_keys text[], groups text[], unlimited boolean, price numeric
)
returns setof text language sql immutable parallel safe
begin atomic
    select catalogue.places_of(country_keys, region_keys, groups, unlimited)
    union all
    select 'price:' || catalogue.price_band(price);
end;
alter function catalogue.places_of(text[], text[], text[], boolean, numeric) owner to esimgo_owner;

create or replace function catalogue.add_places() returns trigger language plpgsql set search_path = '' as
$$
begin
    insert into catalogue.plan_places (
        place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
        updated_at
    )
    select place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
           updated_at
    from new_rows,
         catalogue.places_of(country_keys, region_keys, groups, unlimited, price) as place
    where offered;
    return null;
end
$$;

create or replace function catalogue.replace_places() returns trigger language plpgsql set search_path = '' as
$$
begin
    delete from catalogue.plan_places using old_rows where plan_places.id = old_rows.id;
    insert into catalogue.plan_places (
        place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
        updated_at
    )
    select place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys,
           updated_at
    from new_rows,
         catalogue.places_of(country_keys, region_keys, groups, unlimited, price) as place
    where offered;
    return null;
end
$$;

-- Plans that are on sale already. Whoever migrates may be no superuser, and forced security would hide them.
alter table catalogue.data_plans no force row level security;
alter table catalogue.plan_places no force row level security;
insert into catalogue.plan_places (
    place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys, updated_at
)
select
    'price:' || catalogue.price_band(price), name, id, price, duration_days, data_rank, unlimited,
    groups, region_keys, updated_at
from catalogue.data_plans
where offered;
alter table catalogue.data_plans force row level security;
alter table catalogue.plan_places force row level security;

comment on column catalogue.plan_places.place is
    '"country:" with an ISO code or a name, "region:" with a region, folded; "group:" with a group; "unlimited:" with true or false; "price:" with a band of price_band.';
