-- What the clients need beside docs/shop.sql: orders, and roles as docs/install.md has them.
SET client_min_messages = warning;
CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id text NOT NULL, product_id bigint NOT NULL REFERENCES products);
CREATE TABLE sku (id varchar(40) PRIMARY KEY, product_id bigint REFERENCES products);
DO $$
BEGIN
	CREATE ROLE orm_shop LOGIN;
EXCEPTION WHEN duplicate_object THEN
	NULL;
END $$;
GRANT personalize_app TO orm_shop;
GRANT personalize_personalization TO orm_shop;
GRANT SELECT, INSERT ON products, orders, sku TO orm_shop;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO orm_shop;
-- the role of migrations owns what it migrates
ALTER TABLE products OWNER TO orm_shop;
ALTER TABLE orders OWNER TO orm_shop;
ALTER TABLE sku OWNER TO orm_shop;
GRANT CREATE ON SCHEMA public TO orm_shop;
-- every object of the extension, which no migration tool may touch
CREATE TABLE public.orm_before AS
	SELECT pg_describe_object(d.classid, d.objid, 0) AS object FROM pg_depend d, pg_extension e
	WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'personalize'
	UNION SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'personalize.event'::regclass;
GRANT SELECT ON orm_before TO orm_shop;
ALTER TABLE orm_before OWNER TO orm_shop;
CREATE VIEW public.orm_lost AS
	SELECT object FROM public.orm_before EXCEPT (
		SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d, pg_extension e
		WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'personalize'
		UNION SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'personalize.event'::regclass);
GRANT SELECT ON orm_lost TO orm_shop;
