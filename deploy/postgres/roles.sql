-- Makes the database roles, for `psql --dbname badges --file roles.sql`, as a superuser or as who may make roles.
-- Once for each database, before `badgectl migrate`, which then grants their rights table by table. Safe to run again.
--
--   badges_owner     owns the tables: badgectl migrate, nothing else
--   badges_api       the gateway
--   badges_worker    the award worker, and the relay in it
--   badges_operator  badgectl, but for migrate
--
-- Afterwards give each a password, or another way in: ALTER ROLE badges_api PASSWORD '…';

DO $$
DECLARE
  role text;
  relation text;
BEGIN
  FOREACH role IN ARRAY ARRAY['badges_owner', 'badges_api', 'badges_worker', 'badges_operator'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
    END IF;
  END LOOP;

  -- Nobody else connects, and nobody but the owner makes anything here.
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO badges_owner, badges_api, badges_worker, badges_operator',
    current_database());
  -- badgectl verify and import compare in temporary tables.
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO badges_operator', current_database());
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
  GRANT USAGE, CREATE ON SCHEMA public TO badges_owner;
  GRANT USAGE ON SCHEMA public TO badges_api, badges_worker, badges_operator;

  -- What was made before there was an owner becomes the owner's; identity sequences follow their tables.
  EXECUTE format('GRANT badges_owner TO %I', current_user);
  FOR relation IN
    SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, 'public', c.relname)
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relowner <> 'badges_owner'::regrole
      AND (c.relname = ANY (ARRAY['alembic_version', 'tenants', 'api_keys', 'badges', 'awards', 'rejected_requests',
        'outbox', 'relay_state', 'brake_control', 'outbox_emit_seq']))
  LOOP
    EXECUTE format('ALTER %s OWNER TO badges_owner', relation);
  END LOOP;
END
$$;
