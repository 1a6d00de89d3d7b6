"""What redis-py does first: connects, writes and reads a value, looks for a key that is not there, subscribes.

Recorded by tests/connect.rs. The password comes from REDIS_PASSWORD.
"""

import argparse
import os

import redis

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--protocol", type=int, required=True)
parser.add_argument("--db", type=int, default=0)
parser.add_argument("--name")
options = parser.parse_args()

client = redis.Redis(
    host="127.0.0.1",
    port=options.port,
    password=os.environ["REDIS_PASSWORD"],
    protocol=options.protocol,
    db=options.db,
    client_name=options.name,
)
client.set("connect:key", "PLAINTEXT-MARKER")
assert client.get("connect:key") == b"PLAINTEXT-MARKER"
assert client.get("connect:none") is None
subscriber = client.pubsub()
subscriber.subscribe("connect:channel")
assert subscriber.get_message(timeout=20)["type"] == "subscribe"
subscriber.close()
client.close()
