#!/bin/sh
# podman.sh ROOT: Podman's API service for the engine in ROOT, in namespaces of its
# own that `engine.sh` made: mounts, network and processes end with it. Its root
# file system is ROOT/tree, its data ROOT/data, its socket ROOT/docker.sock.
#
# There is no systemd: no timers of health checks, cgroups by way of cgroupfs.
# Containers must be created below the cgroup of ROOT/name, to be found again.
set -eu
root=$1
tree=$(readlink -f "$root/tree")

mkdir -p "$root/data" "$root/rundir" "$root/shm" "$root/tmp"
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
# Its locks live there, and would be those of every Podman of this machine.
mount --bind "$root/shm" "$tree/dev/shm"
mount -t tmpfs tmpfs "$tree/tmp"
mount --bind "$root/rundir" "$tree/run"
mount --bind "$root" "$tree/engine"

# Newer versions of crun refuse a machine with both kinds of cgroups, and get the
# second kind alone; 1.8 lacks rights for that, and gets the first.
if [ -d /sys/fs/cgroup/unified ]; then
    case $(cat "$tree/version") in
    4.*)
        mount --rbind /sys "$tree/sys"
        umount "$tree/sys/fs/cgroup/unified"
        ;;
    *)
        mount -t sysfs sysfs "$tree/sys"
        mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup"
        ;;
    esac
else
    mount --rbind /sys "$tree/sys"
fi

if command -v ip >/dev/null; then ip link set lo up
else "$root/../../20.10/bin/busybox" ip link set lo up; fi
echo 1 >/proc/sys/net/ipv4/ip_forward

# Its own default is more than a machine may allow. Soft and hard are equal since
# the compatible API of 4.3 swaps the two.
files=$(ulimit -H -n)
cat >"$root/containers.conf" <<CONF
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
[containers]
pids_limit = 0
default_ulimits = ["nofile=$files:$files", "nproc=4096:4096"]
log_driver = "k8s-file"
[network]
network_backend = "netavark"
CONF

# A mere `chroot` would not do: crun finds no program in a container then. From here
# on, programs are those of the tree.
cd "$tree"
pivot_root . mnt
umount -l /mnt

export PATH=/usr/sbin:/usr/bin HOME=/root TMPDIR=/engine/tmp
export CONTAINERS_CONF=/engine/containers.conf PODMAN_IGNORE_CGROUPSV1_WARNING=1
# Process 1 must reap, which Podman does not.
exec catatonit -- podman --root /engine/data --runroot /engine/rundir/podman \
    --storage-driver overlay system service --time=0 unix:///engine/docker.sock
