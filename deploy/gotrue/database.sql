-- GoTrue's own database and login, made once. Not in the platform's database: both have a schema auth with
-- functions of the same names.
\set ON_ERROR_STOP 1
\set password `cat /run/secrets/GOTRUE_DATABASE_PASSWORD`
select 'create role supabase_auth_admin noinherit login'
where not exists (select from pg_roles where rolname = 'supabase_auth_admin') \gexec
select format('alter role supabase_auth_admin password %L', :'password') \gexec
select 'create database gotrue'
where not exists (select from pg_database where datname = 'gotrue') \gexec
\connect gotrue
create schema if not exists auth authorization supabase_auth_admin;
grant create on database gotrue to supabase_auth_admin;
alter role supabase_auth_admin in database gotrue set search_path = auth;
