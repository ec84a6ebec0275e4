-- An order that was resumed in the moment in which its last run ended could be left without a turn: nobody
-- went on with it. One whose process was killed in that moment kept a turn that nobody could take.

update orders.esim_orders
set next_run_at = now()
where next_run_at is null
    and (status = 'PROCESSING' or (status = 'COMPLETED' and cancel_requested_at is not null));

update orders.esim_orders
set next_run_at = null, lease_owner = null, leased_until = null
where (next_run_at is not null or lease_owner is not null)
    and not (status = 'PROCESSING' or (status = 'COMPLETED' and cancel_requested_at is not null));
