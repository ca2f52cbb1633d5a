#!/bin/sh
# fetch.sh DEST [KIND]: unpacks programs for tests under DEST/KIND, which are
#
#   20.10        Docker 20.10 as Debian 12 (or Ubuntu 22.04) packages it; default
#   newest       the newest Docker of a newer release that runs on this machine
#   skopeo       this release's skopeo
#   faketime     this release's libfaketime, which shows a program another clock
#   podman       a root file system with the newest Podman of a newer release
#   podman-4.3   a root file system with Debian 12's Podman
#
# Everything comes through the machine's own apt configuration (packages.sh) and is
# only unpacked: nothing is installed. What is already there is kept; two runs at
# the same time wait for each other. Does not start anything: tests/src/engines does.
set -eu
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "$0")" && pwd)
dest=${1:?usage: fetch.sh DEST [20.10|newest|skopeo|faketime|podman|podman-4.3]}
wanted=${2:-20.10}

say() { echo "fetch.sh: $*" >&2; }
die() { say "$1"; say "next: $2"; exit 1; }

case $wanted in
20.10 | newest | skopeo | faketime | podman | podman-4.3) ;;
*) die "\`$wanted\` is not known here" "20.10, newest, skopeo, faketime, podman or podman-4.3" ;;
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
# Newer Dockers take their runc and tini from there.
[ "$wanted" != newest ] || sh "$0" "$dest" 20.10

exec 9>"$dest/fetch.lock"
flock 9
[ -s "$tree/version" ] && exit 0 # another run finished while this one waited

work=$dest/fetch.part
rm -rf "$work" "$tree"
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
. "$here/packages.sh"
prepare_packages
give_up() { cat "$log" >&2; die "$1" "$2"; }

# docker.io at a version starting with $1, with the containerd and runc beside it.
take_docker() {
    version=$(offered docker.io "$1")
    [ -n "$version" ] || return 1
    say "downloading docker.io $version, containerd, runc and tini"
    rm -f "$work/debs/"*.deb
    download "docker.io=$version" containerd runc tini
}

docker_20() {
    if take_docker 20.10; then :; elif update_private $home && take_docker 20.10; then :; elif
        # A machine whose mirrors have moved on: its own Docker is still a real engine.
        update_private "$VERSION_CODENAME" && take_docker ''
    then
        say "no Docker 20.10 on this machine's mirrors; took $version instead"
    else
        give_up "Docker 20.10 could not be downloaded with apt" \
            "connect the machine to a package mirror, or name a running engine with CAISSON_TEST_ENGINE=unix:///path"
    fi
    unpack
    add_libraries "$tree" usr/sbin/dockerd usr/bin/containerd usr/sbin/runc ||
        give_up "Docker's libraries are not to be had" "install what provides them, then try again"
    # Bridges are made with `ip`; a machine without it gets busybox's.
    command -v ip >/dev/null || {
        say "downloading busybox-static for its \`ip\`"
        download busybox-static || give_up "neither \`ip\` nor busybox-static" "apt-get install iproute2"
        unpack
    }
}

# Programs of a release that wants a newer C library don't run here: then the next.
docker_newest() {
    for release in $newer; do
        rm -rf "$work/tree"
        mkdir "$work/tree"
        update_private "$release" || continue
        version=$(offered docker.io '')
        say "downloading docker.io ${version:-?} and containerd"
        download docker.io containerd || continue
        # The client was part of docker.io once.
        [ -z "$(offered docker-cli '')" ] || download docker-cli || continue
        unpack
        add_libraries "$tree" usr/sbin/dockerd usr/bin/containerd usr/bin/docker || continue
        runs_here usr/sbin/dockerd usr/bin/containerd usr/bin/docker || continue
        # Theirs may want a newer C library than dockerd does.
        for program in usr/sbin/runc usr/bin/tini-static usr/bin/docker-init bin/busybox; do
            [ -e "$dest/20.10/$program" ] || continue
            mkdir -p "$work/tree/${program%/*}"
            cp "$dest/20.10/$program" "$work/tree/$program"
        done
        return
    done
    give_up "no newer Docker of $newer runs on this machine" "look at the words of apt above"
}

# Package $1 of this release, with the libraries of its file $2.
own_package() {
    if ! version=$(offered "$1" '') || [ -z "$version" ] || ! download "$1"; then
        update_private "$VERSION_CODENAME" && version=$(offered "$1" '') && download "$1" ||
            give_up "$1 could not be downloaded with apt" "connect the machine to a package mirror"
    fi
    unpack
    add_libraries "$tree" "$2" || give_up "libraries of $1 are not to be had" "apt-get install $1"
}

# A root file system: unpacked, no package's script has run in it.
podman_of() {
    for release in "$@"; do
        rm -rf "$work/tree" "$work/debs"
        # As every release since merges them.
        mkdir -p "$work/debs/partial" "$work/tree"
        for folder in bin sbin lib lib64; do
            mkdir -p "$work/tree/usr/$folder"
            ln -s "usr/$folder" "$work/tree/$folder"
        done
        update_private "$release" || continue
        version=$(offered podman '')
        say "downloading podman ${version:-?} and what it needs"
        download_all podman netavark aardvark-dns crun catatonit iptables nftables \
            dash mount || continue
        unpack || continue
        mkdir -p "$work/tree/proc" "$work/tree/sys" "$work/tree/dev" "$work/tree/run" \
            "$work/tree/tmp" "$work/tree/var/tmp" "$work/tree/root" "$work/tree/engine" "$work/tree/mnt" "$work/tree/etc"
        # What scripts of packages would have made.
        ln -sf dash "$work/tree/usr/bin/sh"
        echo 'root:x:0:0:root:/root:/bin/sh' >"$work/tree/etc/passwd"
        echo 'root:x:0:' >"$work/tree/etc/group"
        for program in iptables ip6tables; do ln -sf "$program-nft" "$work/tree/usr/sbin/$program"; done
        return
    done
    give_up "no Podman of $* could be downloaded with apt" "connect the machine to a package mirror"
}

case $wanted in
20.10) docker_20 ;;
newest) docker_newest ;;
skopeo) own_package skopeo usr/bin/skopeo ;;
faketime) own_package libfaketime "usr/lib/$(triplet)/faketime/libfaketimeMT.so.1" ;;
podman) podman_of $newer ;;
podman-4.3) podman_of $home ;;
esac

echo "$version" >"$work/tree/version"
mv "$work/tree" "$tree"
say "$wanted ($version) is in $tree"
