-- Exports of eSIMs are read with the role of reports: whose they are and where they are, but nothing that installs them.
grant select (
    iccid, order_reference, customer_id, traveler_id, customer_ref, profile_status, assigned_date, last_country,
    last_country_at
) on esims.esims to esims_reports;
