-- A day is closed once nothing is in flight that was when it was counted, in any database
-- of the server: tests that need days closed look at that until it is so.
CREATE FUNCTION pg_temp.settled() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	now_begun xid8 := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
	WHILE pg_snapshot_xmin(pg_current_snapshot()) < now_begun LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN true;
END
$$;
