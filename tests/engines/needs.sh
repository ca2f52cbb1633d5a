#!/bin/sh
# needs.sh test|demo: stops with the line to run if this machine lacks something
# that can't be fetched or built. Changes nothing.
set -u

lacking=0
lacks() {
    lacking=1
    echo "missing: $1" >&2
    echo "  next:  $2" >&2
}

rust=$(sed -n 's/^channel = "\([0-9.]*\)"$/\1/p' rust-toolchain.toml)
if ! command -v cargo >/dev/null; then
    lacks "Rust $rust (no cargo in PATH)" "apt-get install rustup (before Debian 13: see rustup.rs), then: rustup toolchain install $rust"
elif ! have=$(rustc --version 2>&1); then
    lacks "Rust $rust ($have)" "rustup toolchain install $rust"
else
    have=$(echo "$have" | sed 's/^rustc \([0-9]*\.[0-9]*\).*/\1/')
    oldest=$(printf '%s\n%s\n' "${rust%.*}" "$have" | sort -V | head -n 1)
    [ "$oldest" = "${rust%.*}" ] ||
        lacks "Rust $rust (found $have)" "apt-get install rustup (before Debian 13: see rustup.rs), then: rustup toolchain install $rust"
fi
command -v cc >/dev/null || lacks "a C compiler" "apt-get install build-essential"

if [ "$1" = test ] && [ "$(id -u)" != 0 ] && [ -z "${CAISSON_TEST_ENGINE:-}" ]; then
    lacks "root, for a private container engine below target/" \
        "sudo env PATH=\"\$PATH\" make test    or    CAISSON_TEST_ENGINE=unix:///path make test    or, without an engine, cargo test"
fi
exit $lacking
