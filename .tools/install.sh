#!/bin/sh
# install.sh RELEASE PREFIX: lays out what `make build` made beneath PREFIX.
# The worker finds its engine by an rpath relative to itself, so the tree can be moved as a whole.
set -eu

release=$1
prefix=$2
engine="$prefix/lib/core-runtime"

install -d -m 0755 "$prefix/bin" "$engine" "$prefix/share/doc/core-runtime"
for program in core-broker core-worker corectl; do
    install -m 0755 "$release/$program" "$prefix/bin/$program"
done
for library in "$release"/engine/*; do
    install -m 0644 "$library" "$engine/$(basename "$library")"
done
here=$(dirname "$0")/..
install -m 0644 "$here/README.md" "$here/LICENSE" "$prefix/share/doc/core-runtime/"
