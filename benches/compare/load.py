"""redis-benchmark: one process, one thread, one run, and what it says of it."""

import re
import subprocess

from servers import Failed

# A run that takes longer hangs: over TLS redis-benchmark now and then waits for its socket while the reply lies in OpenSSL.
LIMIT_SECONDS = 60
TRIES = 2


def arguments(target, load, requests):
    """`target` is (port, path of the authority for TLS or None)."""
    port, authority = target
    tls = ["--tls", "--cacert", authority] if authority else []
    stdin = ["-x"] if load.stdin else []
    return ["redis-benchmark", "-p", str(port), *tls, "-c", str(load.clients), "-P", str(load.pipeline), "-n", str(requests),
            "-r", str(load.keys), "--precision", "3", *stdin, *load.command]


def run(target, load, requests):
    """Requests per second and milliseconds of p50, p99 and p99.9."""
    for _ in range(TRIES):
        try:
            done = subprocess.run(arguments(target, load, requests), input=load.stdin, capture_output=True, timeout=LIMIT_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    else:
        raise Failed(f"not done within {LIMIT_SECONDS} s, {TRIES} times")
    said = done.stdout.decode(errors="replace").replace("\r", "\n")
    if done.returncode or "throughput summary" not in said:
        complaint = (done.stderr.decode(errors="replace").strip() or said.strip()).splitlines()
        raise Failed(f"redis-benchmark: {complaint[-1][:200] if complaint else done.returncode}")
    return read(said, requests)


def read(said, requests):
    # It counts whole milliseconds, and calls a rate infinite that took none.
    rate = min(float(re.search(r"throughput summary: (\S+)", said)[1]), 1000 * requests)
    # avg min p50 p95 p99 max
    summary = re.search(r"latency summary.*\n.*\n\s*([\d.\s]+)", said)[1].split()
    # The distribution has steps, of which the first at or above 99.9 % counts.
    steps = re.findall(r"([\d.]+)% <= ([\d.]+) milliseconds", said.partition("Cumulative")[0])
    high = next(float(ms) for percent, ms in steps if float(percent) >= 99.9)
    return {"rps": rate, "p50": float(summary[2]), "p99": float(summary[4]), "p999": high}


def start(target, load):
    """The same without an end, in the background."""
    command = ["setpriv", "--pdeathsig", "KILL", *arguments(target, load, 1_000_000_000)]
    stdin = subprocess.PIPE if load.stdin else subprocess.DEVNULL
    running = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if load.stdin:
        running.stdin.write(load.stdin)
        running.stdin.close()
    return running
