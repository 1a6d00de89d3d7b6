#!/usr/bin/env bash
# Redis's own test suite, once directly against a redis-server and once through Waxseal in front of another; then
# compares test by test. Fails if anything that passes directly does not pass through Waxseal. What cannot pass is named,
# each with its reason, in tests/redis-suite/known.txt; through Waxseal it is skipped, because some would leave the
# following tests waiting; but not what encrypted.txt marks with +, as later tests need what it leaves behind. A unit in which something fails is run once more.
#
#   scripts/redis-suite.sh              all units
#   scripts/redis-suite.sh UNIT...      these only, as unit/multi
#   REDIS_SUITE_SHORT=1                 without the tests that the suite itself calls slow, and without the slowest units
#   REDIS_SUITE_ENCRYPTED=1             every key encrypted, by a rule as a user writes it: keys = ["*"] and nothing else, so
#                                       that each key has a scope of its own. What cannot pass then is named in
#                                       tests/redis-suite/encrypted.txt beside known.txt. Encodings and digests, which are those
#                                       of ciphertext, are not compared: the suite has options for this.
#   REDIS_SUITE_KNOWN=run               runs also what the lists name, and says what of it passes
#   REDIS_SUITE_KNOWN=prune             the same, and takes that out of encrypted.txt, unless it is marked with +
#   REDIS_SUITE_BINARY=PATH             the Waxseal to test, target/release/waxseal unless set

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
source scripts/local-servers.sh

# What a unit may take, and a test of it: the longest take one minute and half a minute on an idle machine.
unit_seconds=600
stuck_seconds=180
# What the short form leaves out: half a minute of random elements. With every key encrypted it runs only the units of the
# data types and of what lies across them, or it would take ten minutes.
slowest_unit=unit/hyperloglog
short_encrypted=(unit/type/{string,incr,list,list-2,set,zset,hash,stream,stream-cgroups} unit/{keyspace,scan,expire,sort,multi,bitops}
    unit/{bitfield,geo,dump,pubsub})
# Where the two runs take their ports from: the suite itself takes up to a hundred.
directly_base=21111
through_base=24111

suite=$(scripts/setup-redis-suite.sh)
encrypted=${REDIS_SUITE_ENCRYPTED:+$root/tests/redis-suite/encrypted.txt}
binary=${REDIS_SUITE_BINARY:-$root/target/release/waxseal}
if [ "$binary" = "$root/target/release/waxseal" ]; then
    cargo build --release --bin waxseal
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Both lists as lines of: unit, a colon, the test's name, a tab, the reason.
known=$work/known
: >"$work/run"
cp tests/redis-suite/known.txt "$known"
[ -z "$encrypted" ] || awk '/^== / { reason = substr($0, 4); next } /^(#|$)/ { next } { print $0 "\t" reason }' "$encrypted" |
    tee >(sed -n 's/^+ \(.*\)\t.*/\1/p' >"$work/run") | sed 's/^+ //' >>"$known"
results=$root/.work/redis-suite-results
rm -rf "$results"
mkdir -p "$results"

# A redis-server, plain on $plain_port, TLS on $tls_port; its log goes to $1.
start_server() {
    next_port; plain_port=$port
    next_port; tls_port=$port
    redis-server --port "$plain_port" --tls-port "$tls_port" --bind 127.0.0.1 --save "" --dir "$here" \
        --tls-cert-file "$work/server.pem" --tls-key-file "$work/server.key" --tls-ca-cert-file "$work/ca.pem" \
        --tls-auth-clients no --enable-protected-configs yes --enable-debug-command yes --enable-module-command yes \
        --logfile "$1" &
    pids+=($!)
    until_it_answers "$plain_port"
}

# Waxseal on $waxseal_port in front of it; its log goes to $1.
start_waxseal() {
    next_port; waxseal_port=$port
    local encrypt=()
    [ -z "$encrypted" ] || encrypt=(--encrypt '*')
    WAXSEAL_ACCESS_MONITOR=true "$binary" run --listen "127.0.0.1:$waxseal_port" --upstream "rediss://default@127.0.0.1:$tls_port" \
        --ca-file "$work/ca.pem" --keyring "$work/keyring.json" "${encrypt[@]}" >>"$1" 2>&1 &
    pids+=($!)
    until_it_answers "$waxseal_port"
}

# Not SIGTERM: a server that runs a script without end heeds nothing else.
end_all() {
    [ "${#pids[@]}" -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null  # bash tells of each one killed
    pids=()
}

# The tests of unit $1 that the lists name and that are not to run all the same.
known_tests() {
    cut -f 1 "$known" | grep -vxFf "$work/run" | awk -v unit="$1: " 'index($0, unit) == 1 { print substr($0, length(unit) + 1) }'
}

# Runs the units after $3; $1 is "directly" or "through", and where the output goes; ports are taken above $2. Each unit
# has a run and a server of its own, so that one that hangs or breaks something takes no other with it.
run_suite() {
    local way=$1 base=$2 at
    # --durable: an error in a test is a failure of that test, not the end.
    local arguments=(--durable --timeout "$stuck_seconds" --baseport "$base")
    [ -z "${REDIS_SUITE_SHORT:-}" ] || arguments+=(--tags -slow)
    [ -z "$encrypted" ] || arguments+=(--ignore-encoding --ignore-digest)
    shift 2
    here=$work/$way port=$((base + 100)) pids=()
    rm -rf "$here"
    mkdir "$here"
    cp -a "$suite/runtest" "$suite/tests" "$suite/src" "$here"
    # Waxseal refuses SYNC. The tests that look at the stream of replicas see that of the server behind it.
    sed -i 's/set s \[socket \[srv 0 "host"\] \[srv 0 "port"\]\]/set s [socket 127.0.0.1 $::env(REDIS_SUITE_SERVER)]/' \
        "$here/tests/test_helper.tcl"
    trap end_all EXIT
    for unit in "$@"; do
        start_server "$results/$way.server"
        at=$plain_port
        if [ "$way" = through ]; then
            start_waxseal "$results/waxseal"
            at=$waxseal_port
        fi
        : >"$here/skipped"
        if [ "$way" = through ] && [ -z "${REDIS_SUITE_KNOWN:-}" ]; then
            known_tests "$unit" >"$here/skipped"
        fi
        echo "UNIT $unit"
        (cd "$here" && REDIS_SUITE_SERVER=$plain_port TERM=dumb timeout --kill-after 5 "$unit_seconds" ./runtest \
            --host 127.0.0.1 --port "$at" --single "$unit" --skipfile skipped "${arguments[@]}" 2>&1) || true
        end_all
    done >"$results/$way"
}

units=("$@")
if [ "$#" -eq 0 ] && [ -n "$encrypted" ] && [ -n "${REDIS_SUITE_SHORT:-}" ]; then
    units=("${short_encrypted[@]}")
elif [ "$#" -eq 0 ]; then
    mapfile -t units < <(cd "$suite" && ./runtest --list-tests | grep -vxF -e "${REDIS_SUITE_SHORT:+$slowest_unit}")
fi

certificates 2>"$results/openssl"
"$binary" keygen --out "$work/keyring.json" >/dev/null
# Both at once: the suite waits most of the time. Each in a process of its own, which ends what it started.
run_both() {
    (run_suite directly "$directly_base" "$@") &
    local directly=$!
    (run_suite through "$through_base" "$@")
    wait "$directly"
    scripts/redis-suite-compare.sh "$results" "$known" | tee "$results/comparison" | tee -a "$work/comparisons"
}

outcome=0
run_both "${units[@]}" || outcome=$?
mapfile -t again < <(awk '/^(fails|not run): / { sub(/^[^:]*: */, ""); sub(/: .*/, ""); print }' "$results/comparison" | sort -u)
if [ "$outcome" -ne 0 ] && [ "${#again[@]}" -gt 0 ]; then
    # Some tests let two clients race; what fails twice is no race.
    echo "redis-suite: once more: ${again[*]}"
    outcome=0
    run_both "${again[@]}" || outcome=$?
fi
if [ "${REDIS_SUITE_KNOWN:-}" = prune ] && [ -n "$encrypted" ]; then
    awk '/^passes: / { print substr($0, 9) }' "$work/comparisons" | sort -u >"$work/passes"
    grep -vxFf "$work/passes" "$encrypted" >"$work/pruned"
    cp "$work/pruned" "$encrypted"
fi
exit "$outcome"
