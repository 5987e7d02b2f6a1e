"""SQLAlchemy's ORM over psycopg 2."""
import sys

from sqlalchemy import Column, ForeignKey, Integer, Numeric, String, create_engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, declarative_base, joinedload, relationship, selectinload

port, database = sys.argv[1:3]
Base = declarative_base()


class Thing(Base):
    __tablename__ = "things"
    id = Column(Integer, primary_key=True)
    name = Column(String)
    price = Column(Numeric)
    parts = relationship("Part", order_by="Part.id")


class Part(Base):
    __tablename__ = "parts"
    id = Column(Integer, primary_key=True)
    thing_id = Column(ForeignKey("things.id"))
    label = Column(String)


class Note(Base):
    __tablename__ = "notes"
    id = Column(Integer, primary_key=True)
    t = Column(String)


def show(name, value):
    print(f"{name}: {value!r}")


engine = create_engine(f"postgresql+psycopg2://postgres@127.0.0.1:{port}/{database}", pool_size=3, pool_pre_ping=True)
for _ in range(3):
    with Session(engine) as session:
        show("all", [(thing.id, thing.name, thing.price) for thing in session.scalars(select(Thing).order_by(Thing.id))])
    with Session(engine) as session:
        show("get", session.get(Thing, 1).name)
        show("missing", session.get(Thing, 99))
    with Session(engine) as session:
        query = select(Thing).options(joinedload(Thing.parts)).where(Thing.id.in_([1, 2])).order_by(Thing.id)
        show("joined", [(t.name, [p.label for p in t.parts]) for t in session.scalars(query).unique()])
    with Session(engine) as session:
        query = select(Thing).options(selectinload(Thing.parts)).order_by(Thing.id)
        show("selectin", [(t.name, len(t.parts)) for t in session.scalars(query)])
        show("group", session.execute(select(Part.thing_id, func.count()).group_by(Part.thing_id).order_by(Part.thing_id)).all())
        show("like", session.scalars(select(Part.label).where(Part.label.ilike("%1%")).order_by(Part.id).limit(3)).all())
with Session(engine) as session:
    session.add(Note(t="kept"))
    session.commit()
    show("kept", session.scalars(select(Note.t)).all())
    session.add(Note(t="lost"))
    session.flush()
    show("own write", session.scalars(select(Note.t).order_by(Note.t)).all())
    session.rollback()
    show("rolled back", session.scalars(select(Note.t)).all())
    session.add(Thing(id=1, name="x"))
    try:
        session.commit()
    except IntegrityError as error:
        show("duplicate", error.orig.pgcode)
        session.rollback()
    session.add_all([Note(t=str(i)) for i in range(20)])
    session.commit()
    show("count", session.scalar(select(func.count()).select_from(Note)))
    with session.begin_nested():
        session.query(Note).delete()
    session.commit()
    show("deleted", session.scalar(select(func.count()).select_from(Note)))
with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
    show("isolation", connection.exec_driver_sql("show transaction_isolation").scalar())
