"""All that runs at once: the database, the relays that stand for distance, the proxies; and one measurement of one way."""

import time

import redis

import load
from peers import WAY
from footprint import open_idle
from readings import cpu_seconds, kernel_seconds
from servers import Failed, certificates, request, start_redis, start_relay
from workload import SMALL, value

# The first runs of a way in a scenario become longer until one takes this share of the time that it is to take, and the
# length of all others follows from its rate; they also warm up connections and caches.
PROBE_TURNS = 2
PROBE_REQUESTS = 50
PROBE_SHARE = 0.2
# So long runs what is beside, in seconds, before the measurement.
WARM_UP = 0.3
SHORT_VALUES = 200
SHORT_IDLE = 0.05


class Stage:
    def __init__(self, work, short=False):
        self.work = work
        self.short = short
        certificates(work)
        self.redis = start_redis(work)
        self.relays = {}
        self.proxies = {}
        self.filled = set()
        self.requests = {}

    def upstream(self, round_trip, way=None):
        """The database's TLS port, as near or far as that."""
        # The two that have no TLS of their own stand before the database's plain port.
        tls = way is None or way.name not in ("plain", "relay")
        near = self.redis.tls_port if tls else self.redis.port
        if not round_trip:
            return near
        if (round_trip, tls) not in self.relays:
            self.relays[round_trip, tls] = start_relay(self.work, near, round_trip)
        return self.relays[round_trip, tls].port

    def proxy(self, way, round_trip=0):
        """The running proxy of a way, or None where it has none. Started when first asked for, and again if it has ended."""
        if way.command is None:
            return None
        running = self.proxies.get((way, round_trip))
        if running is None or not running.alive():
            running = self.proxies[way, round_trip] = way.start(self.work, self.upstream(round_trip, way))
        return running

    def target(self, way, round_trip=0):
        """Where its clients connect, and the authority they trust, if they speak TLS."""
        proxy = self.proxy(way, round_trip)
        if proxy:
            return proxy.port, None
        return self.upstream(round_trip, way), f"{self.work}/ca.pem" if way.name == "tls" else None

    def fill(self, way, scenario):
        """What the scenario reads, written once for all ways that read in clear and once for those that do not."""
        writer = redis.Redis(port=self.target(WAY["waxseal-all" if way.prefix == "e" else "plain"])[0], protocol=2)
        for data in scenario.data:
            if (way.prefix, data) not in self.filled:
                data.write(writer, way.prefix, SHORT_VALUES if self.short else data.count)
                self.filled.add((way.prefix, data))

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

    def measure(self, way, scenario):
        """One run. Raises Failed."""
        self.fill(way, scenario)
        target = self.target(way, scenario.round_trip)
        work = scenario.load.under(way.prefix)
        requests = self.requests.get((way, scenario.name)) or self.probe(target, work, scenario)
        self.requests[way, scenario.name] = requests
        idle = int(scenario.idle * (SHORT_IDLE if self.short else 1))
        held = open_idle(target[0], request(b"PING"), idle)
        others = [load.start(target, beside.under(way.prefix)) for beside in scenario.beside]
        try:
            if others:
                time.sleep(WARM_UP)
            return self.run(way, scenario, target, work, requests, others)
        finally:
            for other in others:
                other.kill()
                other.wait()
            for connection in held:
                connection.close()

    def probe(self, target, work, scenario):
        """How many requests take as long as the scenario is to take."""
        requests = max(PROBE_REQUESTS, PROBE_TURNS * work.clients * work.pipeline)
        while not self.short:
            rate = load.run(target, work, requests)["rps"]
            if requests / rate >= PROBE_SHARE * scenario.seconds:
                return max(requests, int(rate * scenario.seconds))
            requests *= 4
        return requests

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
