-- Lists of plans come from memory, and from data_plans itself while memory is being refreshed: plan_places goes.

-- Both tables at once: a process of the release before may hold one of them and wait for the other.
do $$
begin
    loop
        begin
            lock table catalogue.data_plans, catalogue.plan_places in access exclusive mode nowait;
            exit;
        exception when lock_not_available then
            perform pg_sleep(0.01);
        end;
    end loop;
end
$$;

drop trigger add_places on catalogue.data_plans;
drop trigger replace_places on catalogue.data_plans;
drop function catalogue.add_places();
drop function catalogue.replace_places();
drop table catalogue.plan_places;
drop index catalogue.data_plans_by_duration_and_price;
drop index catalogue.data_plans_by_duration_and_data;
drop index catalogue.data_plans_by_text;

-- Processes of the release before this one still read plan_places while an upgrade replaces them one by one.
-- This view answers them. It and the functions places_of, price_band and pieces, which no other code calls, can be
-- dropped in the release after this one.
create view catalogue.plan_places with (security_invoker = true) as
select
    place, name, id, price, duration_days, data_rank, unlimited, groups, region_keys, updated_at
from
    catalogue.data_plans,
    catalogue.places_of(country_keys, region_keys, groups, unlimited, price) as place
where offered;

comment on view catalogue.plan_places is
    'For processes of the release before migration 038, during an upgrade. Nothing else reads it.';
alter view catalogue.plan_places owner to esimgo_owner;
grant select on catalogue.plan_places to catalogue_user, catalogue_system;
