#!/bin/sh
# engine.sh watch ROOT    starts the engine at each line `start` on standard input and
#                         says its pid; at the end of input it removes everything:
#                         the owner holds the other end, so even `kill -9` of it clears
# engine.sh cut ROOT      a power cut of the engine in ROOT: all its processes die
#                         at once, what lives in memory is gone, its data stays
# engine.sh remove ROOT   the same, then everything else it left on this machine
# engine.sh sweep RUN     removes what dead owners left in RUN, waits for running ones
#
# An engine is found by what it can't shed: the variable CAISSON_ENGINE_ROOT in
# the environment of dockerd, containerd, shims and proxies, and the cgroup
# `/caisson-<name>` around every payload. Nothing else is ever killed.
#
# Files in ROOT that it reads (all but the first may be missing):
#   name       of the engine: its cgroup, and part of no other's name
#   tree       link to the unpacked engine, which is a root file system for Podman
#   data-root  where the data is, if not ROOT/data
#   bridge     its bridge
#   outside    folders outside ROOT that its daemons had to make
set -u
PATH=$PATH:/usr/sbin:/sbin

# A child of nobody here, so that whoever runs `watch` reaps it. The shell
# starts background jobs deaf to INT and QUIT, and containers would inherit that.
start_engine() (
    if [ -e "$root/tree/usr/bin/podman" ]; then
        env --default-signal=INT,QUIT -i PATH="$PATH" CAISSON_ENGINE_ROOT="$root" \
            unshare --mount --net --pid --fork --kill-child --propagation private \
            sh "${0%/*}/podman.sh" "$root" </dev/null >>"$root/log" 2>&1 &
        echo $!
        return
    fi
    if [ -s "$root/tree/ldpath" ]; then
        LD_LIBRARY_PATH=$(cat "$root/tree/ldpath")
        export LD_LIBRARY_PATH
    fi
    PATH=$root/tree/usr/sbin:$root/tree/usr/bin:$PATH
    env --default-signal=INT,QUIT CAISSON_ENGINE_ROOT="$root" \
        dockerd --config-file "$root/daemon.json" </dev/null >>"$root/log" 2>&1 &
    echo $!
)

known() {
    name=$(cat "$root/name" 2>/dev/null)
    [ -n "$name" ] || return 1
    data=$(cat "$root/data-root" 2>/dev/null) || data=
}

# Pids of everything that runs for the engine. Zombies hold nothing any more.
own() {
    {
        grep -slzxF "CAISSON_ENGINE_ROOT=$root" /proc/[0-9]*/environ
        grep -slF "/caisson-$name/" /proc/[0-9]*/cgroup
    } | while IFS=/ read -r _ _ pid _; do
        grep -sq '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" && echo "$pid"
    done | sort -u
}

# dockerd first and everything at once, so that nobody tidies up after the others.
kill_all() {
    tries=0
    while pids=$(own) && [ -n "$pids" ]; do
        [ $((tries += 1)) -le 200 ] || { echo "engine.sh: still running: $pids" >&2; return 1; }
        # shellcheck disable=SC2086 # one word per pid
        kill -KILL $pids 2>/dev/null
        sleep 0.05
    done
}

# Mount points at or below $1, newest first.
mounts_in() {
    while read -r _ _ _ _ point _; do
        case $point in *\\*) point=$(printf '%b' "$(echo "$point" | sed 's/\\/\\0/g')") ;; esac
        case $point/ in "$1"/*) echo "$point" ;; esac
    done </proc/self/mountinfo | tac
}

unmount_in() {
    tries=0
    while points=$(mounts_in "$1" | grep -vxF "${2:-}") && [ -n "$points" ]; do
        [ $((tries += 1)) -le 20 ] || { echo "engine.sh: still mounted: $points" >&2; return 1; }
        echo "$points" | while read -r point; do umount -l "$point" 2>/dev/null; done
    done
}

# Shims keep their sockets in one folder for the whole machine.
remove_shim_sockets() {
    for file in "$root"/exec/containerd/daemon/io.containerd.runtime.v2.task/*/*/address; do
        [ -f "$file" ] || continue
        address=$(cat "$file")
        case $address in unix:///run/containerd/s/*) rm -f "${address#unix://}" ;; esac
    done
}

# A group empties only when its dead are reaped, which may take a moment.
remove_cgroups() {
    for top in /sys/fs/cgroup/caisson-"$name" /sys/fs/cgroup/*/caisson-"$name"; do
        tries=0
        while [ -d "$top" ] && [ $((tries += 1)) -le 100 ]; do
            [ $tries = 1 ] || sleep 0.05
            find "$top" -depth -type d -exec rmdir {} + 2>/dev/null
        done
    done
}

cut() {
    known || return 0
    kill_all || return 1
    remove_ports
    remove_shim_sockets
    unmount_in "$root" || return 1
    # A data root elsewhere may be a mount of its owner's: that one stays.
    [ -z "$data" ] || unmount_in "$data" "$data" || return 1
    remove_cgroups
    rm -rf --one-file-system "$root/exec" "$root/docker.sock" "$root/docker.pid"
}

remove_link() {
    if command -v ip >/dev/null; then ip link del "$1"
    else "$root/tree/bin/busybox" ip link del "$1"; fi
}

# A pair whose other end never got into a container, since dockerd died in between,
# ends with nobody's network namespace.
remove_ports() {
    bridge=$(cat "$root/bridge" 2>/dev/null)
    for port in /sys/class/net/"$bridge"/brif/*; do
        # Those of dead containers are going by themselves meanwhile.
        [ ! -e "$port" ] || remove_link "${port##*/}" 2>/dev/null
    done
}

remove_bridge() {
    bridge=$(cat "$root/bridge" 2>/dev/null)
    if [ -n "$bridge" ] && [ -d "/sys/class/net/$bridge" ]; then remove_link "$bridge"; fi
}

remove() {
    [ -d "$root" ] || return 0
    cut || return 1
    remove_bridge
    # Only the empty ones go; others are in use by somebody else.
    while read -r folder; do rmdir "$folder" 2>/dev/null; done 2>/dev/null <"$root/outside"
    rm -rf --one-file-system "$root"
}

# `remove` by one process at a time. Whoever comes second finds nothing to do.
locked() {
    {
        flock -w 60 9 || { echo "engine.sh: $root.lock stays locked" >&2; return 1; }
        remove && rm -f "$root.lock"
    } 9<"$root.lock"
}

verb=${1:-} root=${2:-}
case $root in /*/*) ;; *) echo "usage: engine.sh watch|cut|remove|sweep /ROOT" >&2; exit 2 ;; esac
case $verb in
cut) cut ;;
remove) remove ;;
watch)
    while read -r word; do
        case $word in start) start_engine ;; esac
    done
    trap '' INT TERM HUP
    : >"$root/clearing"
    locked
    ;;
sweep)
    [ -d "$root" ] || exit 0
    run=$root result=0
    for lock in "$run"/*.lock; do
        [ -f "$lock" ] || continue
        root=${lock%.lock}
        # The owner holds the lock as long as it lives.
        if [ -e "$root/clearing" ] || flock -n "$lock" true; then locked || result=1; fi
    done
    exit $result
    ;;
*) echo "engine.sh: unknown verb \`$verb\`" >&2; exit 2 ;;
esac
