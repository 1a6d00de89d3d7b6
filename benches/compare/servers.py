"""Processes on loopback ports: certificates, redis-server, the delaying relay, and whatever else is started."""

import os
import resource
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where ports are taken from: below the kernel's own range for outgoing connections, which the load uses up.
FIRST_PORT = 27311
START_SECONDS = 15


class Failed(Exception):
    """A way that could not be started or measured, and why; it goes into the tables in place of a figure."""


class Process:
    """A server that ends with this program. `port` is where it listens."""

    def __init__(self, command, port, log):
        self.port = port
        self.log = log
        # setpriv has the kernel end the server with us, however we end; it execs, so the process id is the server's.
        self.popen = launch(["setpriv", "--pdeathsig", "KILL", *command], log)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def await_answer(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if not self.alive():
                raise Failed(f"ended at once, status {self.popen.returncode}: {tail(self.log)}")
            try:
                if ask(self.port, b"PING").startswith(b"+PONG"):
                    return self
            except OSError:
                time.sleep(0.02)
        raise Failed(f"no answer on port {self.port} within {START_SECONDS} s: {tail(self.log)}")

    def end(self):
        self.popen.kill()
        self.popen.wait()


def launch(command, log):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WAXSEAL_")}
    with open(log, "ab") as out:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)


def tail(log):
    lines = Path(log).read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"


def allow_many_connections():
    """The soft limit of open files is 1,024 on Debian; what is started here inherits ours."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_port = FIRST_PORT


def next_port():
    """A port that nobody listens on now."""
    global _port
    while True:
        _port += 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", _port))
                return _port
            except OSError:
                continue


def request(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def read_reply(connection):
    """A status, error, number or bulk string, as it came."""
    reply = b""
    while True:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("closed without a reply")
        reply += part
        head, end, rest = reply.partition(b"\r\n")
        if end and (head[:1] != b"$" or head == b"$-1" or len(rest) >= int(head[1:]) + 2):
            return reply


def ask(port, *words):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request(*words))
        return read_reply(connection)


def certificates(work):
    script = f'work="{work}"; source "{ROOT}/scripts/local-servers.sh"; set -e; certificates'
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)


def start_redis(work):
    """The one database of all ways: plain on `port`, TLS on `tls_port`."""
    port, tls_port = next_port(), next_port()
    command = ["redis-server", "--port", str(port), "--tls-port", str(tls_port), "--bind", "127.0.0.1", "--save", "",
               "--dir", work, "--tls-cert-file", f"{work}/server.pem", "--tls-key-file", f"{work}/server.key",
               "--tls-ca-cert-file", f"{work}/ca.pem", "--tls-auth-clients", "no"]
    server = Process(command, port, f"{work}/redis.log").await_answer()
    server.tls_port = tls_port
    return server


def build_relay():
    """delay.rs, compiled when it is new or changed."""
    source, binary = ROOT / "benches/compare/delay.rs", ROOT / ".work/compare/delay"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", binary, source], check=True)
    return str(binary)


def start_relay(work, upstream, round_trip_ms):
    """Bytes as they come, to `upstream`, each way half the round trip later."""
    port = next_port()
    command = [build_relay(), f"127.0.0.1:{port}", f"127.0.0.1:{upstream}", str(round_trip_ms * 500)]
    return Process(command, port, f"{work}/relay-{port}.log")
