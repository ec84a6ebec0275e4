-- Up to where changes were deleted, from which a reader that is too far behind learns that it has to start again.

create table orders.outbox_deletions (
    one boolean primary key default true check (one),
    xid xid8 not null default '0',
    id bigint not null default 0
);

comment on table orders.outbox_deletions is 'The last change in the order of orders.outbox that was deleted; one row.';

insert into orders.outbox_deletions default values;

alter table orders.outbox_deletions owner to esimgo_owner;
alter table orders.outbox_deletions enable row level security;
alter table orders.outbox_deletions force row level security;
create policy outbox_deletions_system on orders.outbox_deletions for all to orders_system
    using (true) with check (true);
grant select, update on orders.outbox_deletions to orders_system;

-- Rows of a restored backup have the transaction ids of another server.
grant update (xid) on orders.outbox to orders_system;

create index outbox_of_subject on orders.outbox (subject_id, xid, id);
create index outbox_of_customer on orders.outbox (customer_id) where customer_id is not null;

-- On the channel that the service listens to anyway: a connection less for each process.
create or replace function orders.notify_outbox() returns trigger language plpgsql set search_path = '' as $f$
begin
    perform pg_notify('esimgo_orders', 'outbox');
    return null;
end
$f$;
