#!/bin/sh
# test.sh RELEASE: every test that can run here, against the binaries in RELEASE.
#
# Tests that start processes share two cores and look at the clock, so test programs run one after
# another (cargo does that by itself) and those of core-tests run their cases one at a time. The
# conformance suite has its own runner, which ends the output with `N passed, N failed`.
set -eu

release=$1
export CORE_RELEASE_DIR="$release"
cargo=${CARGO:-cargo}

# The bare engine is what results and speed are compared with; the rogue worker is what lies.
"$cargo" build --release --locked -p core-tests --features bare --bin bare --bin rogue-worker
"$cargo" test --release --locked --no-fail-fast --workspace --exclude core-tests
set -- test --release --locked --no-fail-fast -p core-tests --features bare
"$cargo" "$@" --lib --test tidy --test deps --test linkage --test e2e -- --test-threads=1
"$cargo" "$@" --test rogue -- --test-threads=1
# Two rows of the suite read what this found. Without root it can hold no process; they say so then.
if [ "$(id -u)" -eq 0 ]; then
	"$cargo" "$@" --test mutate
fi
"$cargo" "$@" --test conformance
