// Client URL: jOOQ over JDBC: tables by name, routines, records, its code generator and migrateTo.
import static org.jooq.impl.DSL.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.util.*;
import java.util.stream.Collectors;
import org.jooq.*;
import org.jooq.Record;
import org.jooq.codegen.GenerationTool;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.*;
import org.jooq.meta.jaxb.Database;
import org.jooq.meta.jaxb.Generator;
import org.jooq.meta.jaxb.Jdbc;
import org.jooq.meta.jaxb.Logging;
import org.jooq.meta.jaxb.Target;
import org.jooq.meta.jaxb.Configuration;

public class Client {
	static final Table<Record> INBOX = table(name("personalize", "inbox"));
	static final Field<String> MESSAGE = field(name("message_id"), SQLDataType.CLOB);
	static final Field<String> USER = field(name("user_id"), SQLDataType.CLOB);
	static final Field<String> EVENT = field(name("event"), SQLDataType.CLOB);
	static final Field<String> ITEM = field(name("item_id"), SQLDataType.CLOB);
	static final Field<JSONB> PROPERTIES = field(name("properties"), SQLDataType.JSONB);

	public static class Product {
		public Long id;
		public String title;
	}

	static DSLContext db;
	static String url;

	static void check(boolean holds, Object what) {
		if (!holds)
			throw new IllegalStateException(String.valueOf(what));
	}

	/* track() with parameters of whatever types the values have. */
	static String track(DSLContext c, Object... values) {
		Field<?>[] parameters = Arrays.stream(values).map(DSL::val).toArray(Field<?>[]::new);
		return c.select(function(name("personalize", "track"), SQLDataType.CLOB, parameters).cast(SQLDataType.CLOB)).fetchSingle().value1();
	}

	static void tracks() {
		check("accepted".equals(track(db, "17", "view_item", "2", JSONB.valueOf("{\"a\": 1}"))), "typed strings");
		check("accepted".equals(track(db, 17L, "view_item", 2)), "numbers");
		check("accepted".equals(track(db, "17", "view_item", 2)), "a string and a number");
		check("suppressed".equals(track(db, UUID.randomUUID(), "view_item", 2)), "a uuid nobody has asked");
	}

	static void insertsMany() {
		var insert = db.insertInto(INBOX, USER, EVENT, ITEM, PROPERTIES);
		for (int i = 1; i <= 5; i++)
			insert = insert.values("17", "view_item", String.valueOf(i), JSONB.valueOf("{\"n\": " + i + "}"));
		List<String> ids = insert.returning(MESSAGE).fetch(MESSAGE);
		check(ids.size() == 5 && ids.stream().allMatch(id -> id.length() == 36) && new HashSet<>(ids).size() == 5, ids);
		check("duplicate".equals(db.fetchValue("SELECT CAST(personalize.track('17', 'view_item', message_id => ?) AS text)", ids.get(0))), "once");
		for (int i = 0; i < 2; i++)
			db.insertInto(INBOX, MESSAGE, USER, EVENT).values("jooq once", "17", "view_item").onConflict(MESSAGE).doNothing().execute();
		db.insertInto(INBOX, MESSAGE, USER, EVENT).values("jooq once", "17", "view_item").onConflict(MESSAGE).doUpdate().set(EVENT, "view_item").execute();
		check(db.update(INBOX).set(EVENT, "purchase").where(MESSAGE.eq("jooq once")).execute() == 0, "a stored event does not change");
		check(db.fetchCount(INBOX) == 0, "inbox is empty when read");
		int[] counts = db.batch(db.insertInto(INBOX, USER, EVENT, ITEM).values("", "", "")).bind("17", "view_item", "1").bind("17", "view_item", "2").execute();
		check(Arrays.equals(counts, new int[] {1, 1}), Arrays.toString(counts));
	}

	static void consents() {
		db.select(function(name("personalize", "grant_consent"), SQLDataType.CLOB.getArrayDataType(),
			val("orm"), val(new String[] {"analytics", "personalization"}), val("a test"))).fetch();
		check(db.fetchValue("SELECT allowed FROM personalize.consent_of({0}) WHERE purpose = 'analytics'", val("orm")).equals(true), "allowed");
	}

	static void recommends() {
		Table<?> r = table("personalize.recommend({0}, {1}, exclude => {2})", val("17"), val(3), val(new String[] {"1"})).as("r");
		List<Product> products = db.select(field("p.id").as("id"), field("p.title").as("title")).from(r).join(table("products p"))
			.on("p.id = r.item_key").orderBy(field("r.rank")).fetchInto(Product.class);
		check(products.size() == 3 && products.get(0).title != null, products.size());
	}

	static void features() {
		long count = (Long) db.fetchValue("SELECT count(*) FROM personalize.features(?, purpose => 'personalization') WHERE signal = 'item_affinity'", "17");
		check(count > 0, count);
	}

	static void rollsBack() {
		try {
			db.transaction(t -> {
				t.dsl().insertInto(table("orders"), field("customer_id"), field("product_id")).values("17", 1L).execute();
				t.dsl().insertInto(INBOX, MESSAGE, USER, EVENT, ITEM).values("jooq rolled back", "17", "purchase", "1").execute();
				throw new IllegalArgumentException("the payment failed");
			});
		} catch (IllegalArgumentException expected) {
		}
		check(db.fetchCount(table("orders")) == 0, "orders");
		check("accepted".equals(db.fetchValue("SELECT CAST(personalize.track('17', 'purchase', '1', message_id => 'jooq rolled back') AS text)")), "once");
	}

	static void isTold() {
		try {
			db.transaction(t -> {
				t.dsl().execute("SET LOCAL personalize.on_bad_row = error");
				t.dsl().insertInto(INBOX, USER, EVENT, ITEM).values("17", "view_item", "1").values("17", "", "1").execute();
			});
			throw new IllegalStateException("the event was taken");
		} catch (DataAccessException error) {
			var server = error.getCause(org.postgresql.util.PSQLException.class).getServerErrorMessage();
			check(server.getMessage().equals("row 2: event must not be empty") && "event".equals(server.getColumn()), server);
		}
		db.transaction(t -> {
			t.dsl().insertInto(INBOX, USER, EVENT, ITEM).values("17", "", "1").execute();
			check("event must not be empty".equals(t.dsl().fetchValue("SELECT reason FROM personalize.rejections()")), "rejections");
		});
	}

	/* Generate classes of a schema, and have the compiler read them. */
	static long generates(String schema, Path directory) throws Exception {
		GenerationTool.generate(new Configuration().withLogging(Logging.ERROR)
			.withJdbc(new Jdbc().withDriver("org.postgresql.Driver").withUrl(url).withUser("orm_shop"))
			.withGenerator(new Generator()
				.withDatabase(new Database().withName("org.jooq.meta.postgres.PostgresDatabase").withInputSchema(schema))
				.withTarget(new Target().withPackageName("made." + schema).withDirectory(directory.toString()))));
		List<String> files;
		try (var found = Files.walk(directory)) {
			files = found.map(Path::toString).filter(f -> f.endsWith(".java")).collect(Collectors.toList());
		}
		List<String> arguments = new ArrayList<>(List.of("-nowarn", "-proc:none", "-d", directory.resolve("classes").toString()));
		arguments.addAll(files);
		var said = new java.io.ByteArrayOutputStream();
		int status = javax.tools.ToolProvider.getSystemJavaCompiler().run(null, said, said, arguments.toArray(String[]::new));
		check(status == 0, said);
		return files.size();
	}

	static void leavesAlone() throws Exception {
		Path directory = Files.createTempDirectory("jooq");
		check(generates("public", directory.resolve("public")) > 0, "classes of the shop");
		check(generates("personalize", directory.resolve("personalize")) > 0, "classes of personalize");
		/* what docs/clients.md says: a comparison is of the shop's own schema */
		Meta before = db.meta().filterSchemas(s -> s.getName().equals("public"));
		Queries wanted = before.migrateTo(db.meta(before.ddl().queries()).apply(createTable("jooq_visit").column("id", SQLDataType.BIGINT)));
		for (Query query : wanted.queries())
			check(!query.getSQL().contains("personalize"), query);
		db.createTable("jooq_visit").column("id", SQLDataType.BIGINT).execute();
		check(db.fetchValue("SELECT count(*) FROM public.orm_lost").equals(0L), "objects are lost");
	}

	interface Step {
		void walk() throws Exception;
	}

	static int number, failed;

	static void step(String name, Step step) {
		number++;
		try {
			step.walk();
			System.out.println("ok " + number + " - jOOQ " + name);
		} catch (Throwable error) {
			failed = 1;
			System.out.println("not ok " + number + " - jOOQ " + name + "\n# " + error.toString().replace("\n", "\n# "));
		}
	}

	public static void main(String[] arguments) throws Exception {
		System.setProperty("org.jooq.no-logo", "true");
		System.setProperty("org.jooq.no-tips", "true");
		url = arguments[0];
		db = DSL.using(DriverManager.getConnection(url, "orm_shop", ""), SQLDialect.POSTGRES);
		System.out.println("1..9");
		step("connects as a role that was granted what the documents say", () ->
			check("orm_shop".equals(db.fetchValue("SELECT CAST(current_user AS text)")), "role"));
		step("tracks", Client::tracks);
		step("inserts many events and has their ids back", Client::insertsMany);
		step("records consent", Client::consents);
		step("reads recommendations joined to products, as objects", Client::recommends);
		step("reads features", Client::features);
		step("rolls an order and its events back together", Client::rollsBack);
		step("is told what is wrong with an event", Client::isTold);
		step("has its code generator and migrateTo leave everything alone", Client::leavesAlone);
		System.exit(failed);
	}
}
