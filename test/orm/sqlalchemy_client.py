"""sqlalchemy_client DRIVER HOST DATABASE: SQLAlchemy over psycopg or asyncpg, and alembic."""
import asyncio
import re
import sys
from datetime import datetime, timezone

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (BigInteger, Column, DateTime, FetchedValue, ForeignKey, Numeric, String, Text, create_engine,
                        column, func, inspect, select, text)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, declarative_base

import steps

driver, host, database = sys.argv[1:]
Base = declarative_base()


class Product(Base):
    __tablename__ = "products"
    id = Column(BigInteger, primary_key=True)
    title = Column(Text)
    department = Column(Text)
    price = Column(Numeric)


class Order(Base):
    __tablename__ = "orders"
    id = Column(BigInteger, primary_key=True)
    customer_id = Column(Text, nullable=False)
    product_id = Column(BigInteger, ForeignKey("products.id"), nullable=False)


class Event(Base):
    __tablename__ = "inbox"
    __table_args__ = {"schema": "personalize", "info": {"is_view": True}}
    message_id = Column(String, primary_key=True, server_default=FetchedValue())
    user_id = Column(String)
    event = Column(String)
    item_id = Column(String)
    properties = Column(JSONB(none_as_null=True))
    ts = Column(DateTime(timezone=True), server_default=FetchedValue())
    session_id = Column(String)
    request_id = Column(String)
    consent = Column(ARRAY(String))


url = "postgresql+%s://orm_shop@/%s?host=%s" % (driver, database, host)


def session(work):
    """Run work(session) in a transaction of its own."""
    if driver == "asyncpg":
        async def run():
            engine = create_async_engine(url)
            try:
                async with AsyncSession(engine) as s, s.begin():
                    return await s.run_sync(work)
            finally:
                await engine.dispose()
        return asyncio.run(run())
    with Session(create_engine(url)) as s, s.begin():
        return work(s)


def connects():
    assert session(lambda s: s.scalar(text("SELECT current_user"))) == "orm_shop"


def tracks():
    def work(s):
        assert s.scalar(select(func.personalize.track("17", "view_item", "2"))) == "accepted"
        # one parameter as an id and as a text
        assert s.scalar(text("SELECT count(*) FROM personalize.recommend(:u) r WHERE r.item_id <> :u"), {"u": "17"}) > 0
        assert s.scalar(text("SELECT personalize.track(CAST(:u AS integer), 'view_item', :i)"), {"u": 17, "i": "2"}) == "accepted"
    session(work)


def inserts():
    def work(s):
        several = [Event(user_id="17", event="view_item", item_id=str(i), properties={"n": i}, ts=datetime.now(timezone.utc))
                   for i in range(1, 6)]
        s.add_all(several)
        s.flush()
        ids = {e.message_id for e in several}
        assert len(ids) == 5 and None not in ids
        one = ids.pop()
        again = insert(Event).values(message_id=one, user_id="17", event="view_item", item_id="1")
        s.execute(again.on_conflict_do_nothing(index_elements=["message_id"]))
        assert s.scalar(select(func.count()).select_from(Event).where(Event.message_id == one)) == 0
        merged = s.merge(Event(message_id="merged", user_id="17", event="view_item", item_id="3"))
        s.flush()
        assert merged.message_id == "merged"
    session(work)


def consents():
    def work(s):
        s.execute(select(func.personalize.grant_consent("orm", ["analytics", "personalization", "recommendations"], None)))
        allowed = dict(s.execute(text("SELECT purpose, allowed FROM personalize.consent_of(:u)"), {"u": "orm"}).all())
        assert allowed["analytics"] and not allowed["marketing"], allowed
    session(work)


def recommends():
    def work(s):
        recommended = func.personalize.recommend("17", 3).table_valued(column("rank", BigInteger), column("item_key", BigInteger)).alias("r")
        products = s.scalars(select(Product).join(recommended, recommended.c.item_key == Product.id).order_by(recommended.c.rank)).all()
        assert len(products) == 3 and all(isinstance(p, Product) and p.title for p in products), products
    session(work)


def reads_features():
    def work(s):
        rows = s.execute(text("SELECT signal, value, count FROM personalize.features(:u, NULL, NULL, 'personalization')"), {"u": "17"}).all()
        assert any(r.signal == "item_affinity" and r.count > 0 for r in rows), rows
    session(work)


def rolls_back():
    def work(s):
        s.add(Order(customer_id="17", product_id=1))
        s.add(Event(message_id="rolled back " + driver, user_id="17", event="purchase", item_id="1"))
        s.flush()
        raise KeyError("the payment failed")
    try:
        session(work)
    except KeyError:
        pass
    assert session(lambda s: s.scalar(select(func.count()).select_from(Order))) == 0
    # its message was never seen
    assert session(lambda s: s.scalar(text("SELECT personalize.track('17', 'purchase', '1', message_id => :m)"),
                                      {"m": "rolled back " + driver})) == "accepted"


def is_told():
    def work(s):
        s.execute(text("SET LOCAL personalize.on_bad_row = error"))
        s.add_all([Event(user_id="17", event="view_item", item_id="1"), Event(user_id="17", event="", item_id="1")])
        s.flush()
    try:
        session(work)
        raise AssertionError("the event was taken")
    except DBAPIError as error:
        assert re.search("row [12]: event must not be empty", str(error.orig)), error.orig

    def aside(s):
        s.add_all([Event(user_id="17", event="view_item", item_id="1"), Event(user_id="17", event="", item_id="1")])
        s.flush()
        assert s.scalars(text("SELECT reason FROM personalize.rejections()")).all() == ["event must not be empty"]
    session(aside)


def migrates():
    # what docs/clients.md says to put into env.py
    def include_name(name, kind, parents):
        return not (kind == "schema" and name == "personalize")

    def include_object(item, name, kind, reflected, other):
        return not (kind == "table" and item.schema == "personalize")

    def work(s):
        connection = s.connection()
        context = MigrationContext.configure(connection, opts={
            "include_schemas": True, "include_name": include_name, "include_object": include_object})
        wanted = compare_metadata(context, Base.metadata)
        assert "personalize" in inspect(connection).get_schema_names()
        assert not any("personalize" in repr(change) for change in wanted), wanted
        assert any("sku" in repr(change) for change in wanted), "alembic sees what has no model"
        Base.metadata.create_all(connection, tables=[Product.__table__, Order.__table__])
        assert s.execute(text("SELECT object FROM public.orm_lost")).all() == []
    session(work)


steps.run("SQLAlchemy with " + driver,
          [connects, tracks, inserts, consents, recommends, reads_features, rolls_back, is_told, migrates])
