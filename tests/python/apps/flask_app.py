"""Flask-Session with Redis, both serializers, through real requests."""

from common import MARKER, REDIS_URL, expect, secret
from flask import Flask, session
from flask_session import Session
from redis import Redis


def application(serializer, prefix):
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="only for tests",
        SESSION_TYPE="redis",
        SESSION_REDIS=Redis.from_url(REDIS_URL),
        SESSION_SERIALIZATION_FORMAT=serializer,
        SESSION_KEY_PREFIX=prefix,
        SESSION_PERMANENT=True,
    )
    Session(app)

    @app.get("/put/<name>")
    def put(name):
        session.setdefault("basket", []).append(secret(name))
        session.modified = True
        return {"basket": session["basket"]}

    @app.get("/see")
    def see():
        return {"basket": session.get("basket")}

    @app.get("/new-id")
    def new_id():
        app.session_interface.regenerate(session)
        return {}

    @app.get("/leave")
    def leave():
        session.clear()
        return {}

    return app


def main():
    for serializer, prefix in (("msgpack", "session:"), ("json", "session:json:")):
        app = application(serializer, prefix)
        client, other = app.test_client(), app.test_client()
        expect(client.get("/put/apple").json["basket"], [secret("apple")])
        expect(client.get("/put/pear").json["basket"], [secret("apple"), secret("pear")])
        expect(other.get("/see").json, {"basket": None})
        expect(other.get("/put/fig").json["basket"], [secret("fig")])
        before = client.get_cookie("session").value
        client.get("/new-id")
        expect(client.get_cookie("session").value != before, True)
        expect(client.get("/see").json["basket"], [secret("apple"), secret("pear")])
        expect(MARKER in client.get_cookie("session").value, False)
        other.get("/leave")
        expect(other.get("/see").json, {"basket": None})


main()
