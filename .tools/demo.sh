#!/bin/sh
# demo.sh RELEASE: the whole path, for real, on a temporary root: start a broker, load the embedded
# model in a locked-down worker, stream a story, show what holds the worker, shut down.
set -eu

release=$1
here=$(CDPATH='' cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/core-demo.XXXXXX")
broker=""

finish() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$broker" ] && kill -0 "$broker" 2>/dev/null; then
        kill "$broker" 2>/dev/null || true
        wait "$broker" 2>/dev/null || true
    fi
    if [ "$status" != 0 ] && [ -s "$dir/broker.log" ]; then
        echo "demo: the broker said:" >&2
        tail -n 20 "$dir/broker.log" >&2
    fi
    rm -rf "$dir"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
[ -t 1 ] || step() { printf '\n%s\n' "$1"; }

# As root the broker runs as a uid that nobody has: not `nobody`, which others share.
free_uid() {
    uid=64100
    while getent passwd "$uid" >/dev/null 2>&1 || getent group "$uid" >/dev/null 2>&1; do
        uid=$((uid + 1))
    done
    echo "$uid"
}

chmod 0755 "$dir"
sh "$here/.tools/install.sh" "$release" "$dir/core"
mkdir -p "$dir/root/models" "$dir/root/tokenizers" "$dir/root/temp" "$dir/root/cache" "$dir/run"
install -m 0644 "$here/shared/model/story.gguf" "$dir/root/models/story.gguf"
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$dir/token")
chmod 0700 "$dir/run"

set -- --root "$dir/root" --socket "$dir/run/core.sock" --token-file "$dir/token"
if [ "$(id -u)" = 0 ]; then
    uid=$(free_uid)
    chown -R "$uid:$uid" "$dir/root" "$dir/run"
    set -- "$@" --user "$uid"
    step "Starting the broker; root is given up for uid $uid"
else
    step "Starting the broker"
fi

mkfifo "$dir/ready"
"$dir/core/bin/core-broker" serve "$@" >"$dir/ready" 2>"$dir/broker.log" &
broker=$!
# The ready line, or the end of the broker, whichever comes first.
IFS= read -r ready <"$dir/ready" || { wait "$broker" || exit $?; exit 1; }
echo "$ready"

export CORE_SOCKET="$dir/run/core.sock" CORE_TOKEN_FILE="$dir/token"
corectl="$dir/core/bin/corectl"

# A run streams what follows the prompt; the prompt itself is printed here, to be read with it.
tell() {
    prompt=$1
    shift
    step "\$ corectl run story '$prompt' $*"
    printf '%s' "$prompt"
    "$corectl" run story "$prompt" "$@"
}
tell 'Once upon a time' --temp 0.7 -n 96 --seed 5
tell 'Mira gave the red kite to Tom. Now Tom has the' --temp 0 -n 3

step "\$ corectl audit"
"$corectl" audit

step "\$ corectl shutdown"
"$corectl" shutdown
wait "$broker"
broker=""
