#!/usr/bin/env bash
# Counts the instructions of the scenarios in benches/instructions.rs under callgrind and compares them with the committed
# figures, benches/instructions.txt. Fails when one takes more than its tolerance more. Time is never looked at, so a busy
# machine gives the same answer.
#
#   scripts/instructions.sh            compares
#   WAXSEAL_BLESS=1                    writes the figures instead
#
# Why other machines count the same: code that chooses by the processor's features sees valgrind's processor, which is one
# and the same (AVX2, neither AVX-512 nor SHA) wherever the real one has AVX2.

source "$(dirname "${BASH_SOURCE[0]}")/setup-common.sh"

figures=benches/instructions.txt
# Percent. Most scenarios count the same to the last instruction; where a hash seed has a part (`mget_100`), five runs differed
# by 0.4 at most. Code that moves within the crate shifted a short one by 1.6; one allocation more per SET of 100 bytes is 2.5.
tolerance=2
# Another compiler, C library or valgrind shifts counts without a change of ours.
tolerance_of_other_tools=10

if [ "$(uname -m)" != x86_64 ] || ! grep -qw avx2 /proc/cpuinfo; then
    echo "instructions: NOT COMPARED: the figures are those of x86-64 with AVX2, which this machine does not have."
    exit 0
fi
command -v cc >/dev/null || install_packages gcc libc6-dev
command -v valgrind >/dev/null || install_packages valgrind

bench=$(cargo build --profile instructions --bench instructions --message-format=json-render-diagnostics |
    sed -n 's/.*"executable":"\([^"]*\/instructions-[^"]*\)".*/\1/p')
work=.work/instructions
mkdir -p "$work"

# The instructions of so many rounds of scenario $1.
count() {
    # Without an environment: AWS-LC and glibc take from it which instructions to use.
    env -i valgrind --quiet --tool=callgrind --callgrind-out-file="$work/$1" "$bench" "$1" "$2" >&2 || return
    awk '/^summary:/ { print $2 }' "$work/$1"
}

tools="rustc $(rustc --version | cut -d' ' -f2), glibc $(ldd --version | awk 'NR == 1 { print $NF }'), $(valgrind --version)"
counted="$work/counted"
{
    echo "# Instructions per command (or batch, as the name says), a row per scenario of benches/instructions.rs. 'WAXSEAL_BLESS=1 make instructions' writes it."
    echo "# counted with: $tools"
} >"$counted"
made_with=$(sed -n 's/^# counted with: //p' "$figures" 2>/dev/null || true)
if [ -n "$made_with" ] && [ "$made_with" != "$tools" ]; then
    tolerance=$tolerance_of_other_tools
    echo "instructions: the figures were counted with $made_with; here it is $tools. Hence $tolerance % are tolerated."
fi

worse=0 better=0
printf '%-32s %14s %14s %8s\n' scenario instructions committed change
while read -r scenario rounds; do
    once=$(count "$scenario" "$rounds")
    twice=$(count "$scenario" $((2 * rounds)))
    now=$(((twice - once) / rounds))
    printf '%-32s %14d\n' "$scenario" "$now" >>"$counted"
    before=$(awk -v name="$scenario" '$1 == name { print $2 }' "$figures" 2>/dev/null || true)
    change=- remark=
    if [ -n "$before" ]; then
        change=$(awk -v a="$before" -v b="$now" 'BEGIN { printf "%+.2f %%", 100 * (b - a) / a }')
        if ((100 * now > (100 + tolerance) * before)); then worse=$((worse + 1)) remark=WORSE; fi
        if ((100 * now < (100 - tolerance) * before)); then better=$((better + 1)) remark=better; fi
    elif [ -z "${WAXSEAL_BLESS:-}" ]; then
        worse=$((worse + 1)) remark="NO FIGURE"
    fi
    printf '%-32s %14d %14s %8s %s\n' "$scenario" "$now" "${before:--}" "$change" "$remark"
done < <("$bench" --list)

if [ -n "${WAXSEAL_BLESS:-}" ]; then
    cp "$counted" "$figures"
    echo "instructions: written to $figures; commit it and say in the message what changed them."
elif [ "$worse" -gt 0 ]; then
    echo "instructions: $worse scenarios take over $tolerance % more than $figures says, or are not in it. Where they go: callgrind_annotate $work/SCENARIO" >&2
    echo "If the work is worth it: WAXSEAL_BLESS=1 make instructions, and say in the commit why." >&2
    exit 1
elif [ "$better" -gt 0 ]; then
    echo "instructions: $better scenarios improved by over $tolerance %. Keep it so: WAXSEAL_BLESS=1 make instructions, and commit $figures."
fi
