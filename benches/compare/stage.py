"""All that runs at once: the database, the relays that stand for distance, the proxies; and one measurement of one way."""

import time

import redis

import load
from peers import WAY
from readings import cpu_seconds, kernel_seconds
from scenarios import HUGE, SMALL, fill, value
from servers import Failed, certificates, start_redis, start_relay

# The first run of a way in a scenario, from whose rate the length of the others follows.
PROBE_REQUESTS = 200
PROBE_SHARE = 0.15
WARM_UP = 0.3


class Stage:
    def __init__(self, work):
        self.work = work
        certificates(work)
        self.redis = start_redis(work)
        self.relays = {}
        self.proxies = {}
        self.filled = set()
        self.requests = {}

    def upstream(self, round_trip):
        """The database's TLS port, as near or far as that."""
        if not round_trip:
            return self.redis.tls_port
        if round_trip not in self.relays:
            self.relays[round_trip] = start_relay(self.work, self.redis.tls_port, round_trip)
        return self.relays[round_trip].port

    def proxy(self, way, round_trip=0):
        """The running proxy of a way, or None where it has none. Started when first asked for, and again if it has ended."""
        if way.command is None:
            return None
        running = self.proxies.get((way, round_trip))
        if running is None or not running.alive():
            # The bare relay has no TLS of its own, so it stands before the database's plain port.
            upstream = self.redis.port if way.name == "relay" and not round_trip else self.upstream(round_trip)
            running = self.proxies[way, round_trip] = way.start(self.work, upstream)
        return running

    def target(self, way, round_trip=0):
        proxy = self.proxy(way, round_trip)
        if proxy:
            return proxy.port, None
        if way.name == "tls":
            return self.upstream(round_trip), f"{self.work}/ca.pem"
        return self.redis.port, None

    def fill(self, way, scenario):
        """What the scenario reads, written once for all ways that read in clear and once for the one that does not."""
        writer = self.target(way if way.prefix == "e" else WAY["plain"])[0]
        client = redis.Redis(port=writer, protocol=2)
        for what in scenario.data:
            if (way.prefix, what) not in self.filled:
                fill(client, way.prefix, what)
                self.filled.add((way.prefix, what))

    def check(self, way):
        """That the way gives what was written, and that the database holds ciphertext where it should."""
        port, authority = self.target(way)
        name = f"{way.prefix}:check"
        tls = {"ssl": True, "ssl_ca_certs": authority} if authority else {}
        client = redis.Redis(port=port, protocol=2, lib_name=None, lib_version=None, **tls)
        client.set(name, value(SMALL))
        if client.get(name) != value(SMALL):
            raise Failed("gives back another value than was written")
        in_clear = value(SMALL) in redis.Redis(port=self.redis.port, protocol=2).get(name)
        if in_clear != (way.prefix == "c"):
            raise Failed("the database holds " + ("plaintext" if in_clear else "something else"))

    def measure(self, way, scenario, seconds):
        """One run. Raises Failed."""
        self.fill(way, scenario)
        target = self.target(way, scenario.round_trip)
        work = scenario.load.under(way.prefix)
        requests = self.requests.get((way, scenario.name))
        if requests is None:
            # Twice: the first is also what warms up connections and caches.
            probe = max(PROBE_REQUESTS if scenario.data != (HUGE,) else 50, 4 * work.clients * work.pipeline // 2)
            rate = load.run(target, work, probe)["rps"]
            rate = load.run(target, work, max(probe, int(rate * seconds * PROBE_SHARE)))["rps"]
            requests = self.requests[way, scenario.name] = max(probe, int(rate * seconds))
        others = [load.start(target, beside.under(way.prefix)) for beside in scenario.beside]
        try:
            if others:
                time.sleep(WARM_UP)
            return self.run(way, scenario, target, work, requests, others)
        finally:
            for other in others:
                other.kill()
                other.wait()

    def run(self, way, scenario, target, work, requests, others):
        proxy = self.proxy(way, scenario.round_trip)
        watched = {"cpu": proxy.pid if proxy else None, "database": self.redis.pid}
        before = {name: cpu_seconds(pid) for name, pid in watched.items() if pid}
        kernel = kernel_seconds(proxy.pid) if proxy else 0
        result = load.run(target, work, requests)
        if proxy and not proxy.alive():
            raise Failed("the proxy ended during the run")
        if any(other.poll() is not None for other in others):
            raise Failed("the load beside it ended too early")
        # Beside other loads CPU time has no request to be divided by.
        if not others:
            for name, began in before.items():
                result[name] = 1e6 * (cpu_seconds(watched[name]) - began) / requests
            if proxy:
                result["kernel"] = 1e6 * (kernel_seconds(proxy.pid) - kernel) / requests
        return result

    def end(self):
        for process in [*self.proxies.values(), *self.relays.values(), self.redis]:
            process.end()
