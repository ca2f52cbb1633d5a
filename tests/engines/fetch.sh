#!/bin/sh
# fetch.sh DEST [20.10]: unpacks a private container engine under DEST/20.10.
#
# Takes Docker 20.10 as Debian 12 (or Ubuntu 22.04) packages it, through the
# machine's own apt configuration, and only downloads and unpacks: nothing is
# installed, and apt's lists and caches stay as they are. What is already
# there is kept; two runs at the same time wait for each other.
#
# Does not start anything: tests/src/engines does.
set -eu
PATH=$PATH:/usr/sbin:/sbin

dest=${1:?usage: fetch.sh DEST [20.10]}
wanted=${2:-20.10}

say() { echo "fetch.sh: $*" >&2; }
die() { say "$1"; say "next: $2"; exit 1; }

case $wanted in
20.10) ;;
*) die "engine \`$wanted\` is not known here, only 20.10" "name a running engine with CAISSON_TEST_ENGINE=unix:///path" ;;
esac

for tool in apt-get apt-cache dpkg-deb flock ldd; do
    command -v "$tool" >/dev/null ||
        die "\`$tool\` is missing: this needs Debian, Ubuntu or a relative" \
            "name a running engine with CAISSON_TEST_ENGINE=unix:///path"
done

mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
tree=$dest/$wanted
[ -s "$tree/version" ] && exit 0

exec 9>"$dest/fetch.lock"
flock 9
[ -s "$tree/version" ] && exit 0 # another run finished while this one waited

work=$dest/fetch.part
rm -rf "$work" "$tree"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/tree"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
log=$work/apt.log
: >"$log"
: >"$work/status" # as if nothing were installed: only what mirrors offer counts

# Which lists and sources apt uses; empty means the machine's own.
lists= sources=
apt() {
    program=$1
    shift
    set -- -o Dir::Cache="$work/cache" -o Dir::State::status="$work/status" \
        -o APT::Sandbox::User=root "$@"
    [ -z "$lists" ] || set -- -o Dir::State::lists="$lists" "$@"
    [ -z "$sources" ] || set -- -o Dir::Etc::sourcelist="$sources" -o Dir::Etc::sourceparts=- "$@"
    "$program" "$@" 2>>"$log"
}

# The newest version of docker.io that starts with $1.
offered() {
    apt apt-cache madison docker.io | awk -F'|' -v want="$1" \
        '{ gsub(/ /, "", $2); if (index($2, want) == 1) { print $2; exit } }'
}

download() { (cd "$work/debs" && apt apt-get -q download "$@" >>"$log"); }

# The mirrors of the machine's own release, as apt itself reads its
# configuration; other sources need not be reachable and are left out.
mirrors() {
    apt apt-get --print-uris update |
        sed -n "s#^'\(.*\)/dists/\($VERSION_CODENAME\|stable\)/InRelease'.*#\1#p" | sort -u
}

# The distribution's own key, where apt doesn't trust it for every source.
signed_by() {
    for keyring in /usr/share/keyrings/"$distribution"-archive-keyring.gpg \
        /usr/share/keyrings/"$distribution"-archive-keyring.pgp; do
        [ ! -s "$keyring" ] || { echo "[signed-by=$keyring]"; return; }
    done
}

# Private lists of one release ($1), from the machine's mirrors.
update_private() {
    lists= sources=
    mirrors | sed "s|^|deb $(signed_by) |; s|\$| $1 $components|" >"$work/sources.list"
    [ -s "$work/sources.list" ] || { echo "no mirror of $VERSION_CODENAME is configured" >>"$log"; return 1; }
    sources=$work/sources.list lists=$work/lists
    say "reading the package lists of $1 (private copy)"
    apt apt-get -q update >>"$log" || return 1
}

# docker.io at a version starting with $1, with the containerd and runc beside it.
take() {
    version=$(offered "$1")
    [ -n "$version" ] || return 1
    say "downloading docker.io $version, containerd, runc and tini"
    rm -f "$work/debs/"*.deb
    download "docker.io=$version" containerd runc tini
}

VERSION_CODENAME= ID= ID_LIKE=
[ ! -r /etc/os-release ] || . /etc/os-release
case "$ID $ID_LIKE" in
*ubuntu*) distribution=ubuntu home=jammy components='main universe' ;;
*) distribution=debian home=bookworm components=main ;;
esac

if take 20.10; then :; elif update_private $home && take 20.10; then :; elif
    # A machine whose mirrors have moved on: its own Docker is still a real engine.
    update_private "$VERSION_CODENAME" && take ''
then
    say "no Docker 20.10 on this machine's mirrors; took $version instead"
else
    cat "$log" >&2
    die "Docker 20.10 could not be downloaded with apt" \
        "connect the machine to a package mirror, or name a running engine with CAISSON_TEST_ENGINE=unix:///path"
fi

unpack() {
    for deb in "$work/debs/"*.deb; do dpkg-deb -x "$deb" "$work/tree"; done
    rm -f "$work/debs/"*.deb
}
unpack

# Libraries this machine lacks go beside the programs: `libfoo.so.2` is in
# package `libfoo2`, and `libfoo1.so.2` in `libfoo1-2` (Debian policy 8.1).
triplet=$(ldd "$work/tree/usr/sbin/dockerd" | sed -n 's|.*/lib/\([^/]*linux-gnu[^/]*\)/.*|\1|p' | head -n 1)
libraries=$tree/usr/lib/$triplet:$tree/lib/$triplet
missing() {
    for program in usr/sbin/dockerd usr/bin/containerd usr/sbin/runc; do
        LD_LIBRARY_PATH=$work/tree/usr/lib/$triplet:$work/tree/lib/$triplet ldd "$work/tree/$program"
    done | awk '/not found/ { print $1 }' | sort -u
}
for round in 1 2 3 4 5; do
    sonames=$(missing)
    [ -n "$sonames" ] || break
    # shellcheck disable=SC2086 # one word per package
    set -- $(for soname in $sonames; do
        echo "$soname" | sed 's/\([0-9]\)\.so\./\1-/; s/\.so\.//' | tr '[:upper:]_' '[:lower:]-'
    done)
    say "downloading libraries this machine lacks: $*"
    download "$@" || { cat "$log" >&2; die "apt has no package for: $sonames" "install what provides it"; }
    unpack
    echo "$libraries" >"$work/tree/ldpath"
done
[ -z "$(missing)" ] || die "libraries still missing: $(missing)" "install them, then try again"

# Bridges are made with `ip`; a machine without it gets busybox's.
command -v ip >/dev/null || {
    say "downloading busybox-static for its \`ip\`"
    download busybox-static || { cat "$log" >&2; die "neither \`ip\` nor busybox-static" "apt-get install iproute2"; }
    unpack
}

echo "$version" >"$work/tree/version"
mv "$work/tree" "$tree"
say "Docker $version is in $tree"
