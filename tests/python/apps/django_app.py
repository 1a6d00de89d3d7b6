"""Django: its Redis cache, sessions in the cache, and sessions in cache and database, through real requests."""

import asyncio
import sys

import django
from common import REDIS_URL, expect, secret, wait_until
from django.conf import settings
from django.http import JsonResponse
from django.urls import path

SESSION_ENGINE = sys.argv[1]

settings.configure(
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages"],
    MIDDLEWARE=[
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}},
    SESSION_ENGINE=SESSION_ENGINE,
    SESSION_SERIALIZER="django.contrib.sessions.serializers.JSONSerializer",
    MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
    USE_TZ=True,
)
django.setup()

from django.contrib import messages  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402


def basket(request):
    items = request.session.setdefault("basket", [])
    items.append(secret(request.GET["item"]))
    request.session.modified = True
    messages.info(request, secret("noted"))
    return JsonResponse({"basket": items, "user": str(request.user)})


def said(request):
    return JsonResponse({"said": [str(message) for message in messages.get_messages(request)]})


made = []


def page(request):
    made.append(request.path)
    return JsonResponse({"page": secret("page"), "made": len(made)})


def change(request):
    if request.GET["to"] == "new key":
        request.session.cycle_key()
    else:
        request.session.flush()
    return JsonResponse({})


urlpatterns = [path("basket", basket), path("said", said), path("page", page), path("change", change)]


def whole_cache():
    cache.set("one", secret("one"), 100)
    expect(cache.get("one"), secret("one"))
    cache.set("object", {"list": [secret("in a list"), 1.5, None], "bytes": b"\x00\xff"})
    expect(cache.get("object"), {"list": [secret("in a list"), 1.5, None], "bytes": b"\x00\xff"})
    cache.set("number", 41)
    expect(cache.get("number"), 41)
    expect((cache.get("none"), cache.get("none", "default"), "one" in cache), (None, "default", True))
    expect((cache.add("one", "another"), cache.add("two", secret("two"))), (False, True))
    cache.set_many({f"many-{number}": secret(str(number)) for number in range(50)}, 100)
    found = cache.get_many([f"many-{number}" for number in range(60)])
    expect(found, {f"many-{number}": secret(str(number)) for number in range(50)})
    cache.delete_many(["many-0", "many-1"])
    expect((cache.get("many-0"), cache.delete("many-2"), cache.delete("many-2")), (None, True, False))
    expect(cache.get_or_set("made", lambda: secret("made")), secret("made"))
    cache.set("short", secret("short"), 1)
    expect(cache.touch("short", 100), True)
    cache.set("gone", secret("gone"), 0.2)
    cache.set("brief", secret("brief"), 1)
    wait_until("the brief one expires", lambda: cache.get("brief") is None)
    expect((cache.get("short"), cache.touch("gone")), (secret("short"), False))
    cache.set("versioned", secret("old"), version=1)
    expect((cache.incr_version("versioned"), cache.get("versioned", version=2)), (2, secret("old")))
    asyncio.run(asynchronous())


async def asynchronous():
    await cache.aset("async", secret("async"))
    expect(await cache.aget("async"), secret("async"))


def counters():
    """Django stores whole numbers as Redis counts them."""
    cache.set("hits", 1)
    expect((cache.incr("hits"), cache.incr("hits", 10), cache.decr("hits", 2), cache.get("hits")), (2, 12, 10, 10))
    try:
        cache.incr("none")
        raise AssertionError("counted what is not there")
    except ValueError:
        pass


def sessions():
    client = Client()
    expect(client.get("/basket", {"item": "apple"}).json()["basket"], [secret("apple")])
    expect(client.get("/basket", {"item": "pear"}).json()["basket"], [secret("apple"), secret("pear")])
    expect(client.get("/said").json()["said"], [secret("noted")] * 2)
    before = client.cookies["sessionid"].value
    client.get("/change", {"to": "new key"})
    expect(client.cookies["sessionid"].value != before, True)
    expect(len(client.get("/basket", {"item": "plum"}).json()["basket"]), 3)
    other = Client()
    other.force_login(get_user_model().objects.create_user("somebody"))
    expect(other.get("/basket", {"item": "fig"}).json(), {"basket": [secret("fig")], "user": "somebody"})
    other.get("/change", {"to": "nothing"})
    expect(other.get("/basket", {"item": "nut"}).json(), {"basket": [secret("nut")], "user": "AnonymousUser"})


def whole_pages():
    first, second = Client().get("/page").json(), Client().get("/page").json()
    expect((first, second), ({"page": secret("page"), "made": 1},) * 2)


call_command("migrate", verbosity=0)
whole_cache()
counters()
sessions()
whole_pages()
