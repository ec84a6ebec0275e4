-- These statements look up a few rows by their keys. Without statistics, as in a new database or after a restore, PostgreSQL
-- guesses that a ledger transaction has hundreds of entries: it would read the whole ledger for each purchase.
do $$
declare
    name text;
    way text;
begin
    foreach name in array array['ledger_sales(uuid[])', 'inventory_sales(uuid[])', 'raise_sales()'] loop
        foreach way in array array['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'] loop
            execute format('alter function orders.%s set %s = off', name, way);
        end loop;
    end loop;
end
$$;
