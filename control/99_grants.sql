-- 99_grants.sql: PUBLIC may call nothing; each room has granted its functions
-- to the roles of the platform.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA retail FROM PUBLIC;
