#!/usr/bin/env bash
# Compares two outputs of Redis's test suite, $1/directly and $1/through, test by test: scripts/redis-suite.sh calls it.
# Differences that the list $2 does not name are a failure. What it names and passes is told.

set -euo pipefail
results=$1
known=$2

# "UNIT: NAME #N<tab>RESULT" for every test; #N from the second test of that name on.
tests_of() {
    awk '
        /^UNIT / { unit = $2; over = 0 }
        /The End$/ { over = 1 }
        over || !/^\[(ok|err|ignore|skip|exception)\]: / { next }
        {
            result = substr($1, 2, index($1, "]") - 2)
            name = substr($0, index($0, "]: ") + 3)
            if (result == "ok") sub(/ \([0-9]+ ms\)$/, "", name)
            if (result == "err") sub(" in tests/" unit "[.]tcl$", "", name)
            if (result == "ignore") sub(/: [^:]*$/, "", name)
            count = ++seen[unit, name]
            printf "%s: %s%s\t%s\n", unit, name, (count > 1 ? " #" count : ""), result
        }
    ' "$1"
}

tests_of "$results/directly" >"$results/directly.tests"
tests_of "$results/through" >"$results/through.tests"
awk -F'\t' '
    FILENAME ~ /directly.tests$/ { direct[$1] = $2; order[++n] = $1; next }
    FILENAME ~ /through.tests$/ { through[$1] = $2; if (!($1 in direct)) { direct[$1] = "absent"; order[++n] = $1 }; next }
    /^#/ || /^$/ { next }
    { listed[$1] = $2; if ($2 == "") { print "without a reason: " $1; wrong++ } }
    # A test that runs several times has one line.
    function line_of(test) { if (!(test in listed)) sub(/ #[0-9]+$/, "", test); return test }
    function is_listed(test) { return line_of(test) in listed }
    END {
        for (test in through) if (through[test] != "ok") fails[line_of(test)]
        for (i = 1; i <= n; i++) {
            test = order[i]
            a = direct[test]
            b = (test in through) ? through[test] : "absent"
            if (a == "ok" && b == "ok") {
                passed++
                if (is_listed(test) && !(line_of(test) in fails)) print "passes: " line_of(test)
            }
            else if (b == "ok") better++
            else if (a == "ignore" || a == "skip") skipped++
            else if (a == "ok" || a == "absent") {
                if (is_listed(test)) expected++
                else { print (b == "absent" ? "not run: " : "fails:   ") test; failed++ }
            }
            else both++
        }
        printf "\n%6d pass directly and through Waxseal\n%6d are skipped on a server that is not the suite'"'"'s own\n", passed, skipped
        printf "%6d fail on both\n%6d pass through Waxseal only\n%6d pass directly and are known to fail through Waxseal\n", both, better, expected
        printf "%6d pass directly and fail through Waxseal\n\n%d passed, %d failed, %d known, %d skipped\n", failed, passed + better, failed, expected, skipped
        exit failed || wrong
    }
' "$results/directly.tests" "$results/through.tests" "$known"
