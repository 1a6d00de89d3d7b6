"""What a proxy costs that nobody uses: its start, its memory at rest and per idle connection, its size."""

import os
import socket
import time

from readings import memory_kb
from servers import START_SECONDS, Failed, launch, next_port, read_reply, request, tail
from workload import SMALL

CONNECTIONS = 4000
# What a listening socket's queue holds everywhere.
BATCH = 100
# Until what was freed after the last request is given back.
SETTLE_SECONDS = 0.5
NAME = "footprint"


def measure(stage, way, connections=CONNECTIONS):
    """Milliseconds to the first answer, MB and KB; nothing for a way without a proxy."""
    if way.command is None:
        return {}
    get = request(b"GET", f"{way.prefix}:{SMALL}:{0:012}".encode())
    ping_ms, process, _ = fresh(stage, way, request(b"PING"))
    end(process)
    get_ms, process, port = fresh(stage, way, get)
    try:
        time.sleep(SETTLE_SECONDS)
        rest, _ = memory_kb(process.pid)
        held = open_idle(port, get, connections)
        time.sleep(SETTLE_SECONDS)
        full, _ = memory_kb(process.pid)
        for connection in held:
            connection.close()
        size = os.stat(f"/proc/{process.pid}/exe").st_size
    finally:
        end(process)
    return {"ping_ms": ping_ms, "get_ms": get_ms, "rest_mb": rest / 1024, "idle_kb": (full - rest) / connections, "binary_mb": size / 1e6}


def fresh(stage, way, first):
    """Starts a process and has it answer `first`; the milliseconds that took from the start."""
    port = next_port()
    log = f"{stage.work}/footprint.log"
    command = way.command(stage.work, port, stage.upstream(0, way))
    began = time.perf_counter()
    process = launch(command, log)
    while time.perf_counter() - began < START_SECONDS and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(first)
                if read_reply(connection)[:1] in b"+$":
                    return 1000 * (time.perf_counter() - began), process, port
        except OSError:
            pass
        time.sleep(0.0003)
    end(process)
    raise Failed(f"did not answer after its start: {tail(log)}")


def open_idle(port, first, count):
    """So many connections, each of which has had one answer."""
    held = []
    while len(held) < count:
        batch = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(min(BATCH, count - len(held)))]
        for connection in batch:
            connection.sendall(first)
        for connection in batch:
            read_reply(connection)
        held += batch
    return held


def end(process):
    process.kill()
    process.wait()
