// Client URL: Hibernate over JDBC: persist, merge, native queries as entities, and hbm2ddl.
import jakarta.persistence.*;
import java.util.*;
import java.util.function.*;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.annotations.DynamicInsert;
import org.hibernate.cfg.Configuration;

public class Client {
	@Entity(name = "Product") @Table(name = "products")
	public static class Product {
		@Id public Long id;
		public String title;
		public String department;
	}

	@Entity(name = "ShopOrder") @Table(name = "orders")
	public static class Order {
		@Id @GeneratedValue(strategy = GenerationType.IDENTITY) public Long id;
		@Column(name = "customer_id") public String customerId;
		@Column(name = "product_id") public Long productId;
	}

	@Entity(name = "Event") @Table(name = "inbox", schema = "personalize") @DynamicInsert
	public static class Event {
		@Id @Column(name = "message_id") public String messageId;
		@Column(name = "user_id") public String userId;
		public String event;
		@Column(name = "item_id") public String itemId;
		public String properties;

		public Event() {}

		public Event(String messageId, String event, String itemId) {
			this.messageId = messageId;
			this.userId = "17";
			this.event = event;
			this.itemId = itemId;
		}
	}

	@Entity(name = "Visit") @Table(name = "hibernate_visit")
	public static class Visit {
		@Id public Long id;
	}

	static SessionFactory factory;

	static SessionFactory open(String url, String ddl) {
		Configuration configuration = new Configuration()
			.setProperty("hibernate.connection.url", url).setProperty("hibernate.connection.username", "orm_shop")
			.setProperty("hibernate.connection.driver_class", "org.postgresql.Driver").setProperty("hibernate.jdbc.batch_size", "50")
			.setProperty("hibernate.hbm2ddl.auto", ddl)
			// what docs/clients.md says: objects of personalize are not the tool's
			.setProperty("hibernate.hbm2ddl.schema_filter_provider", "Client$Ours");
		for (Class<?> entity : List.of(Product.class, Order.class, Event.class, Visit.class))
			configuration.addAnnotatedClass(entity);
		return configuration.buildSessionFactory();
	}

	public static class Ours implements org.hibernate.tool.schema.spi.SchemaFilterProvider {
		static final org.hibernate.tool.schema.spi.SchemaFilter FILTER = new org.hibernate.tool.schema.spi.SchemaFilter() {
			public boolean includeNamespace(org.hibernate.boot.model.relational.Namespace namespace) {
				return namespace.getName().getSchema() == null || !namespace.getName().getSchema().getText().equals("personalize");
			}
			public boolean includeTable(org.hibernate.mapping.Table table) {
				return !"personalize".equals(table.getSchema());
			}
			public boolean includeSequence(org.hibernate.boot.model.relational.Sequence sequence) {
				return true;
			}
		};
		public org.hibernate.tool.schema.spi.SchemaFilter getCreateFilter() { return FILTER; }
		public org.hibernate.tool.schema.spi.SchemaFilter getDropFilter() { return FILTER; }
		public org.hibernate.tool.schema.spi.SchemaFilter getMigrateFilter() { return FILTER; }
		public org.hibernate.tool.schema.spi.SchemaFilter getValidateFilter() { return FILTER; }
		public org.hibernate.tool.schema.spi.SchemaFilter getTruncatorFilter() { return FILTER; }
	}

	static <T> T in(Function<Session, T> work) {
		return factory.fromTransaction(work::apply);
	}

	@SuppressWarnings("unchecked")
	static <T> T one(Session s, String sql, Object... arguments) {
		var query = s.createNativeQuery(sql, Object.class);
		for (int i = 0; i < arguments.length; i++)
			query.setParameter(i + 1, arguments[i]);
		return (T) query.getSingleResult();
	}

	static void check(boolean holds, Object what) {
		if (!holds)
			throw new IllegalStateException(String.valueOf(what));
	}

	static boolean says(Throwable error, String words) {
		for (; error != null; error = error.getCause())
			if (String.valueOf(error.getMessage()).contains(words))
				return true;
		return false;
	}

	static void tracks() {
		in(s -> {
			check("accepted".equals(one(s, "SELECT CAST(personalize.track(?1, ?2, ?3, ?4) AS text)", "17", "view_item", "2", "{\"a\": 1}")), "typed strings");
			check("accepted".equals(one(s, "SELECT CAST(personalize.track(?1, ?2, ?3) AS text)", 17L, "view_item", 2)), "numbers");
			check("suppressed".equals(one(s, "SELECT CAST(personalize.track(?1, ?2, ?3) AS text)", UUID.randomUUID(), "view_item", 2)), "a uuid nobody has asked");
			return null;
		});
	}

	static void insertsMany() {
		in(s -> {
			for (int i = 1; i <= 5; i++) {
				Event event = new Event("hibernate " + i, "view_item", String.valueOf(i));
				event.properties = "{\"n\": " + i + "}";
				s.persist(event);
			}
			s.flush();
			Event merged = s.merge(new Event("hibernate merged", "view_item", "1"));
			s.flush();
			check(merged.messageId.equals("hibernate merged"), merged.messageId);
			s.clear();
			check(s.find(Event.class, "hibernate merged") == null, "inbox is empty when read");
			String id = one(s, "INSERT INTO personalize.inbox (user_id, event, item_id) VALUES (?1, ?2, ?3) ON CONFLICT (message_id) DO NOTHING RETURNING message_id", "17", "view_item", "1");
			check(id.length() == 36, id);
			check("duplicate".equals(one(s, "SELECT CAST(personalize.track('17', 'view_item', message_id => ?1) AS text)", id)), "once");
			return null;
		});
	}

	static void consents() {
		in(s -> {
			one(s, "SELECT CAST(personalize.grant_consent(?1, ?2, ?3) AS text)", "orm", new String[] {"analytics", "personalization"}, "a test");
			check(one(s, "SELECT allowed FROM personalize.consent_of(?1) WHERE purpose = 'analytics'", "orm"), "allowed");
			return null;
		});
	}

	static void recommends() {
		in(s -> {
			List<Product> products = s.createNativeQuery(
				"SELECT p.* FROM personalize.recommend(?1, ?2) r JOIN products p ON p.id = r.item_key WHERE r.item_id <> ?1 ORDER BY r.rank", Product.class)
				.setParameter(1, "17").setParameter(2, 3).getResultList();
			check(products.size() == 3 && products.get(0).title != null, products);
			return null;
		});
	}

	static void features() {
		in(s -> {
			Long count = one(s, "SELECT count(*) FROM personalize.features(?1, purpose => 'personalization') WHERE signal = 'item_affinity'", "17");
			check(count > 0, count);
			return null;
		});
	}

	static void rollsBack() {
		try {
			in(s -> {
				Order order = new Order();
				order.customerId = "17";
				order.productId = 1L;
				s.persist(order);
				s.persist(new Event("hibernate rolled back", "purchase", "1"));
				s.flush();
				throw new IllegalArgumentException("the payment failed");
			});
		} catch (IllegalArgumentException expected) {
		}
		in(s -> {
			check(s.createQuery("select count(*) from ShopOrder", Long.class).getSingleResult() == 0, "orders");
			check("accepted".equals(one(s, "SELECT CAST(personalize.track('17', 'purchase', '1', message_id => 'hibernate rolled back') AS text)")), "once");
			return null;
		});
	}

	static void isTold() {
		try {
			in(s -> {
				one(s, "SELECT set_config('personalize.on_bad_row', 'error', true)");
				s.persist(new Event("hibernate bad", "", "1"));
				s.flush();
				return null;
			});
			throw new IllegalStateException("the event was taken");
		} catch (PersistenceException error) {
			check(says(error, "row 1: event must not be empty"), error);
		}
		in(s -> {
			s.persist(new Event("hibernate aside", "", "1"));
			s.flush();
			check("event must not be empty".equals(one(s, "SELECT reason FROM personalize.rejections()")), "rejections");
			return null;
		});
	}

	static void leavesAlone(String url) {
		open(url, "update").close();
		open(url, "validate").close();
		in(s -> {
			check(one(s, "SELECT to_regclass('public.hibernate_visit') IS NOT NULL"), "it made its own table");
			Long lost = one(s, "SELECT count(*) FROM public.orm_lost");
			check(lost == 0, lost + " objects are lost");
			return null;
		});
	}

	static int number, failed;

	static void step(String name, Runnable work) {
		number++;
		try {
			work.run();
			System.out.println("ok " + number + " - Hibernate " + name);
		} catch (Throwable error) {
			failed = 1;
			System.out.println("not ok " + number + " - Hibernate " + name + "\n# " + error.toString().replace("\n", "\n# "));
			for (Throwable cause = error.getCause(); cause != null; cause = cause.getCause())
				System.out.println("# " + cause.toString().replace("\n", "\n# "));
		}
	}

	public static void main(String[] arguments) {
		java.util.logging.LogManager.getLogManager().reset();
		factory = open(arguments[0], "none");
		System.out.println("1..9");
		step("connects as a role that was granted what the documents say", () -> in(s -> {
			check("orm_shop".equals(one(s, "SELECT CAST(current_user AS text)")), "role");
			return null;
		}));
		step("tracks", Client::tracks);
		step("inserts many events and has their ids back", Client::insertsMany);
		step("records consent", Client::consents);
		step("reads recommendations joined to products, as objects", Client::recommends);
		step("reads features", Client::features);
		step("rolls an order and its events back together", Client::rollsBack);
		step("is told what is wrong with an event", Client::isTold);
		step("has its migration tool leave everything alone", () -> leavesAlone(arguments[0]));
		System.exit(failed);
	}
}
