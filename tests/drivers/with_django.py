"""Django's ORM."""
import sys

import django
from django.conf import settings

port, database = sys.argv[1:3]
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": port,
                           "USER": "postgres", "NAME": database}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True)
django.setup()

from django.db import IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import Count, F, Q, Sum  # noqa: E402


class Thing(models.Model):
    name = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    at = models.DateTimeField(null=True)

    class Meta:
        app_label = "shop"
        db_table = "things"


class Part(models.Model):
    thing = models.ForeignKey(Thing, on_delete=models.CASCADE)
    label = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "parts"


class Note(models.Model):
    t = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "notes"


def show(name, value):
    print(f"{name}: {value!r}")


for _ in range(3):
    show("all", list(Thing.objects.order_by("id").values_list("id", "name", "price", "at")))
    show("get", Thing.objects.get(pk=1).name)
    show("missing", Thing.objects.filter(pk=99).first())
    show("exists", Part.objects.filter(label__icontains="part 1").exists())
    show("related", [(p.label, p.thing.name) for p in Part.objects.select_related("thing").order_by("id")[:5]])
    show("prefetch", [(t.name, len(t.part_set.all())) for t in Thing.objects.prefetch_related("part_set").order_by("id")])
    show("annotate", list(Part.objects.values("thing_id").annotate(n=Count("id")).order_by("thing_id")))
    show("aggregate", Thing.objects.filter(Q(price__gt=1) | Q(name="")).aggregate(Sum("price"), Count("id")))
    show("in", list(Part.objects.filter(id__in=[1, 2, 3]).exclude(thing_id=1).order_by("-id").values_list("label", flat=True)))
Note.objects.create(t="kept")
try:
    with transaction.atomic():
        Note.objects.update(t="lost")
        show("own write", list(Note.objects.values_list("t", flat=True)))
        raise KeyError
except KeyError:
    show("rolled back", list(Note.objects.values_list("t", flat=True)))
try:
    with transaction.atomic():
        Thing.objects.create(id=1, name="x")
except IntegrityError as error:
    show("duplicate", error.__cause__.pgcode)
with transaction.atomic():
    Note.objects.bulk_create([Note(t=str(i)) for i in range(20)])
    with transaction.atomic():
        Note.objects.filter(t__lt="5").update(t=F("t"))
    show("locked", Thing.objects.select_for_update().get(pk=1).name)
show("count", Note.objects.count())
show("iterator", sum(1 for _ in Note.objects.iterator(chunk_size=5)))
show("delete", Note.objects.all().delete()[0])
with connection.cursor() as cursor:
    cursor.execute("select name from things where id = %s", [2])
    show("raw", cursor.fetchall())
