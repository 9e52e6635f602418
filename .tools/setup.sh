#!/bin/sh
# Installs what a build needs and a fresh Debian machine lacks: cmake and libclang for llama.cpp and
# its bindings, a C++ compiler, and ccache so that the second build is short. Does nothing, and asks
# for nothing, when all of it is there.
set -eu

missing=""
command -v cmake >/dev/null 2>&1 || missing="$missing cmake"
command -v g++ >/dev/null 2>&1 || missing="$missing g++"
command -v ccache >/dev/null 2>&1 || missing="$missing ccache"
have_libclang() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    # Not libclang-cpp, which many packages bring and which is another library.
    for library in /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-[0-9]*.so* \
        /usr/lib/*/libclang.so* /usr/lib/*/libclang-[0-9]*.so* /usr/lib64/libclang.so*; do
        [ ! -e "$library" ] || return 0
    done
    return 1
}
have_libclang || missing="$missing libclang-dev"
command -v cargo >/dev/null 2>&1 || {
    echo "setup: cargo is not installed; install Rust 1.90 or later (https://rustup.rs)" >&2
    exit 1
}
[ -n "$missing" ] || exit 0

echo "setup: installing$missing"
command -v apt-get >/dev/null 2>&1 || {
    echo "setup: no apt-get here; install by hand:$missing" >&2
    exit 1
}
as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "setup: neither root nor sudo; ask an administrator to install:$missing" >&2
        exit 1
    }
    as_root="sudo"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# Split on purpose: one word for each package.
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
