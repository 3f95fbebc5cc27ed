SET client_min_messages = warning; DROP EXTENSION IF EXISTS personalize CASCADE; CREATE EXTENSION personalize; RESET client_min_messages;
-- a transaction keeps workers away once, however many commands need it
DO $$
BEGIN
	FOR i IN 1..200 LOOP
		EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT -1', current_database());
	END LOOP;
END
$$;
SELECT datconnlimit FROM pg_database WHERE datname = current_database();
