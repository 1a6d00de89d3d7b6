#!/usr/bin/env bash
# What commands cost that Waxseal carries out itself on encrypted values: requests per second, CPU time of the sidecar per
# request and commands of the database per command; beside the same command without a rule through the same sidecar and
# directly to the same server over TLS. The three ways take turns, and the median of the rounds counts. Then many clients
# on one key, and long lists. Prints tables as docs/emulation.md has them.
#
#   scripts/bench-emulation.sh               everything, in about five minutes
#   BENCH_SHORT=1                            a few requests of each, to see that it runs
#   BENCH_BINARY=PATH                        the Waxseal to measure, target/release/waxseal unless set

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/local-servers.sh

binary=${BENCH_BINARY:-target/release/waxseal}
[ -n "${BENCH_BINARY:-}" ] || cargo build --release --bin waxseal
rounds=5 requests=20000 clients=50 keys=1000 length=100000 repeats=5
[ -z "${BENCH_SHORT:-}" ] || rounds=1 requests=200 keys=50 length=1000 repeats=1
# Where the ports are taken from.
port=27111

work=$(mktemp -d) results=$work
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$work"' EXIT
certificates 2>"$work/openssl"
next_port; plain_port=$port
next_port; tls_port=$port
next_port; waxseal_port=$port
redis-server --port "$plain_port" --tls-port "$tls_port" --bind 127.0.0.1 --save "" --dir "$work" --tls-cert-file "$work/server.pem" \
    --tls-key-file "$work/server.key" --tls-ca-cert-file "$work/ca.pem" --tls-auth-clients no --logfile "$work/server" &
pids+=($!)
until_it_answers "$plain_port"
"$binary" keygen --out "$work/keyring.json" >/dev/null
"$binary" run --listen "127.0.0.1:$waxseal_port" --upstream "rediss://default@127.0.0.1:$tls_port" --ca-file "$work/ca.pem" \
    --keyring "$work/keyring.json" --encrypt 'e:*' >"$work/waxseal" 2>&1 &
sidecar=$!
pids+=("$sidecar")
until_it_answers "$waxseal_port"

# CPU time of the sidecar so far, in milliseconds.
cpu() { awk -v tick="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / tick) }' "/proc/$sidecar/stat"; }

# One of the counts of the sidecar's own section of INFO.
count() { redis-cli -p "$waxseal_port" info waxseal | tr -d '\r' | awk -F: -v name="emulated_$1" '$1 == name { print $2 }'; }

# Requests per second of the command after $4, $2 clients, $3 requests, the way $1: e through the sidecar with a rule, p the same
# without, d directly. In the command @ stands for what the names of keys begin with.
rate() {
    local way=$1 with=$2 requests=$3 at=(-p "$waxseal_port") prefix=$1
    shift 3
    [ "$way" != d ] || at=(-p "$tls_port" --tls --cacert "$work/ca.pem")
    redis-benchmark "${at[@]}" -c "$with" -n "$requests" -r "$keys" --csv "${@//@/$prefix:}" 2>"$work/complaint" |
        awk -F'","' 'NR == 2 { print $2 }' >"$work/rate"
    [ -s "$work/rate" ] || { cat "$work/complaint" "$work/waxseal" >&2; exit 1; }
    cat "$work/rate"
}

median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# What the commands find: for each of $keys numbers a value of each kind, in all three places.
fill() {
    local prefix n name members
    # Every fourth one that SMOVE asks for is there.
    members=$(seq -f %012.0f -s ' ' 0 4 "$((keys - 1))")
    for prefix in e p d; do
        for n in $(seq 0 $((keys - 1))); do
            name=$(printf %012d "$n")
            echo "SET $prefix:s:$name 0123456789abcdef"
            echo "HSET $prefix:h:$name f 1 g text"
            echo "DEL $prefix:l:$name $prefix:q:$name $prefix:u:$name $prefix:t:$name"
            echo "RPUSH $prefix:l:$name a b c d e f g h i j"
            echo "RPUSH $prefix:q:$name $(seq -s ' ' 40)"
            echo "SADD $prefix:u:$name $members"
            echo "SADD $prefix:t:$name f g h i j k l m n o"
            echo "ZADD $prefix:z:$name 0 a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j"
        done
    done >"$work/fill"
    redis-cli -p "$waxseal_port" <"$work/fill" >/dev/null
}

# A row for the command: its median of each way, then the costs.
compare() {
    local way round before after cpu_e cpu_p commands steps
    for way in e p d; do : >"$work/$way"; done
    cpu_e=0 cpu_p=0
    commands=$(count commands) steps=$(count upstream_commands)
    for round in $(seq "$rounds"); do
        for way in e p d; do
            before=$(cpu)
            rate "$way" "$clients" "$requests" "$@" >>"$work/$way"
            after=$(cpu)
            [ "$way" != e ] || cpu_e=$((cpu_e + after - before))
            [ "$way" != p ] || cpu_p=$((cpu_p + after - before))
        done
    done
    commands=$(($(count commands) - commands)) steps=$(($(count upstream_commands) - steps))
    awk -v name="$1" -v e="$(median <"$work/e")" -v p="$(median <"$work/p")" -v d="$(median <"$work/d")" -v n=$((rounds * requests)) \
        -v ce="$cpu_e" -v cp="$cpu_p" -v commands="$commands" -v steps="$steps" 'BEGIN {
            printf "| %s | %d | %d | %d | %d | %d | %.2f |\n", name, e, p, d, 1000 * ce / n, 1000 * cp / n, (commands ? steps / commands : 1)
        }'
}

# A row for so many clients that all change one value.
contend() {
    local commands retries
    redis-cli -p "$waxseal_port" del e:one p:one d:one >/dev/null
    for way in e p d; do : >"$work/$way"; done
    commands=$(count commands) retries=$(count retries)
    for _ in $(seq "$rounds"); do
        for way in e p d; do rate "$way" "$1" "$((requests / 4))" INCR @one >>"$work/$way"; done
    done
    awk -v clients="$1" -v e="$(median <"$work/e")" -v p="$(median <"$work/p")" -v d="$(median <"$work/d")" \
        -v commands=$(($(count commands) - commands)) -v retries=$(($(count retries) - retries)) 'BEGIN {
            printf "| %d | %d | %d | %d | %.2f |\n", clients, e, p, d, retries / commands
        }'
}

# A row with the milliseconds of the command after $1 on lists of so many elements.
long() {
    local way row="| ${*:2} | $1"
    for way in e p; do
        for _ in $(seq "$repeats"); do rate "$way" 1 1 "${@:2}"; done >"$work/$way"
        row+=$(awk -v rate="$(median <"$work/$way")" 'BEGIN { printf " | %.1f", 1000 / rate }')
    done
    echo "$row |"
}

fill
n=__rand_int__
echo "| command | encrypted, 1/s | no rule, 1/s | directly, 1/s | encrypted, CPU us | no rule, CPU us | commands of the database |"
echo "|---|---|---|---|---|---|---|"
compare GET "@s:$n"
compare STRLEN "@s:$n"
compare GETRANGE "@s:$n" 2 5
compare INCR "@c:$n"
compare INCRBYFLOAT "@f:$n" 1.5
compare APPEND "@a:$n" x
compare SETRANGE "@s:$n" 3 xy
compare SETBIT "@b:$n" 77 1
compare BITFIELD "@b:$n" INCRBY u8 8 1
compare HINCRBY "@h:$n" f 1
compare LPOS "@l:$n" e
# One puts in what the other takes out.
compare LINSERT "@l:$n" BEFORE e x
compare LREM "@l:$n" 1 x
compare SORT "@l:$n" ALPHA
compare LMOVE "@q:$n" "@r:$n" LEFT RIGHT
compare SMOVE "@u:$n" "@v:$n" "$n"
compare COPY "@s:$n" "@w:$n" REPLACE
compare SINTER "@t:$n" "@t:$n"
compare SUNIONSTORE "@x:$n" "@t:$n" "@t:$n"
compare ZRANGEBYLEX "@z:$n" "[b" "[e"

echo
echo "| clients that INCR one key | encrypted, 1/s | no rule, 1/s | directly, 1/s | began again per command |"
echo "|---|---|---|---|---|"
for many in 1 8 50; do contend "$many"; done

echo
echo "| command | elements | encrypted, ms | no rule, ms |"
echo "|---|---|---|---|"
for elements in $((length / 10)) "$length"; do
    for prefix in e p; do
        redis-cli -p "$waxseal_port" del "$prefix:long" >/dev/null
        seq "$elements" | xargs -n 1000 echo "RPUSH $prefix:long" | redis-cli -p "$waxseal_port" >/dev/null
    done
    long "$elements" LREM @long 1 none
    long "$elements" LPOS @long none
    long "$elements" SORT @long LIMIT 0 1
    long "$elements" LINSERT @long BEFORE "$((elements / 2))" x
done
