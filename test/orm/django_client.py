"""django_client HOST DATABASE: Django's ORM over psycopg, and makemigrations, inspectdb and migrate."""
import io
import sys
import types

import django
from django.conf import settings

import steps

host, database = sys.argv[1:]
settings.configure(
    INSTALLED_APPS=["shop"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", MIGRATION_MODULES={"shop": None},
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": database, "HOST": host, "USER": "orm_shop"}})

shop = types.ModuleType("shop")
shop.__path__ = []
shop.__file__ = __file__
sys.modules["shop"] = shop
from django.apps import AppConfig  # noqa: E402

shop.Config = type("Config", (AppConfig,), {"name": "shop", "path": ".", "__module__": "shop"})
settings.INSTALLED_APPS[0] = "shop.Config"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError, connection, models, transaction  # noqa: E402
from django.db.models.expressions import RawSQL  # noqa: E402


class Product(models.Model):
    title = models.TextField()
    department = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        app_label = "shop"
        db_table = "products"
        managed = False


class Order(models.Model):
    customer_id = models.TextField()
    product = models.ForeignKey(Product, models.DO_NOTHING)

    class Meta:
        app_label = "shop"
        db_table = "orders"
        managed = False


class Event(models.Model):
    message_id = models.TextField(primary_key=True)
    user_id = models.TextField()
    event = models.TextField()
    item_id = models.TextField(null=True)
    properties = models.JSONField(null=True)

    class Meta:
        app_label = "shop"
        db_table = 'personalize"."inbox'
        managed = False


def rows(sql, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall()


def connects():
    assert rows("SELECT current_user") == [("orm_shop",)]


def tracks():
    assert rows("SELECT personalize.track(%s, %s, %s)", "17", "view_item", "2") == [("accepted",)]
    assert rows("SELECT personalize.track(%s, %s, %s)", 17, "view_item", 2) == [("accepted",)]


def inserts():
    several = Event.objects.bulk_create([Event(message_id="django %d" % i, user_id="17", event="view_item", item_id=str(i), properties={"n": i})
                                         for i in range(1, 6)])
    assert len({e.message_id for e in several}) == 5
    Event.objects.bulk_create([Event(message_id="django 1", user_id="17", event="view_item")], ignore_conflicts=True)
    # save() updates, finds no row, and inserts
    Event(message_id="django saved", user_id="17", event="view_item", item_id="1").save()
    event, created = Event.objects.get_or_create(message_id="django got", defaults={"user_id": "17", "event": "view_item", "item_id": "2"})
    assert created and event.message_id == "django got"
    event, created = Event.objects.update_or_create(message_id="django updated", defaults={"user_id": "17", "event": "view_item"})
    assert created
    assert not Event.objects.filter(message_id="django got").exists()
    assert rows("SELECT personalize.track('17', 'view_item', message_id => 'django got')") == [("duplicate",)]


def consents():
    rows("SELECT personalize.grant_consent(%s, %s, NULL)", "orm", ["analytics", "personalization"])
    assert dict(rows("SELECT purpose, allowed FROM personalize.consent_of(%s)", "orm"))["analytics"]


def recommends():
    products = list(Product.objects.raw(
        "SELECT p.* FROM personalize.recommend(%s, %s) r JOIN products p ON p.id = r.item_key ORDER BY r.rank", ["17", 3]))
    assert len(products) == 3 and all(p.title for p in products)
    keys = RawSQL("SELECT item_key FROM personalize.recommend(%s, 3)", ["17"])
    assert Product.objects.filter(id__in=keys).count() == 3


def reads_features():
    assert rows("SELECT value FROM personalize.features(%s, purpose => 'personalization') WHERE signal = 'item_affinity'", "17")


def rolls_back():
    try:
        with transaction.atomic():
            Order.objects.create(customer_id="17", product_id=1)
            Event(message_id="django rolled back", user_id="17", event="purchase", item_id="1").save()
            raise KeyError("the payment failed")
    except KeyError:
        pass
    assert Order.objects.count() == 0
    assert rows("SELECT personalize.track('17', 'purchase', '1', message_id => 'django rolled back')") == [("accepted",)]


def is_told():
    bad = [Event(message_id="django good", user_id="17", event="view_item"), Event(message_id="django bad", user_id="17", event="")]
    try:
        with transaction.atomic():
            rows("SELECT set_config('personalize.on_bad_row', 'error', true)")
            Event.objects.bulk_create(bad)
        raise AssertionError("the event was taken")
    except DatabaseError as error:
        assert "row 2: event must not be empty" in str(error), error
        assert error.__cause__.diag.column_name == "event"
    with transaction.atomic():
        Event.objects.bulk_create(bad)
        assert rows("SELECT row_number, reason FROM personalize.rejections()") == [(2, "event must not be empty")]


def migrates():
    # what has a model that is not managed is neither made nor dropped
    call_command("migrate", run_syncdb=True, stdout=io.StringIO())
    seen = io.StringIO()
    call_command("inspectdb", stdout=seen)
    assert "class Products" in seen.getvalue() and "inbox" not in seen.getvalue().lower()
    assert rows("SELECT object FROM public.orm_lost") == []


steps.run("Django", [connects, tracks, inserts, consents, recommends, reads_features, rolls_back, is_told, migrates])
