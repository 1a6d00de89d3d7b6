"""What the application scripts share: the address, the marker, and how they say what the test is to search for.

The scripts are applications as anybody writes them; the address in REDIS_URL is the sidecar's and nothing else
knows of it.
"""

import os
import time

REDIS_URL = os.environ.get("REDIS_URL", "")
MARKER = "PLAINTEXT-MARKER"
# Long enough for a busy machine; every wait has it.
PATIENCE = 30


def secret(name):
    return f"{MARKER} {name}"


def expect(actual, wanted):
    if actual != wanted:
        raise AssertionError(f"got {actual!r:.300}, wanted {wanted!r:.300}")


def wait_until(what, ready):
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.02)


def search_for(form):
    """A form of a payload in which the marker cannot be seen, compressed for example; the test searches for it too."""
    print("FORM", form.hex(), flush=True)
