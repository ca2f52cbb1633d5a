# Sourced by fetch.sh: packages of the machine's own distribution, through its
# own apt configuration, downloaded and unpacked and never installed. Apt's lists
# and caches stay as they are; everything is below $work.
#
# Where the machine's own lists don't offer what is wanted, private lists of
# another release of the same distribution are read from the same mirrors. Those
# names move on (`testing` is another release next year): take what they offer
# and say its version.

prepare_packages() {
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/tree"
    log=$work/apt.log
    : >"$log"
    : >"$work/status" # as if nothing were installed: only what mirrors offer counts
    VERSION_CODENAME= ID= ID_LIKE=
    [ ! -r /etc/os-release ] || . /etc/os-release
    case "$ID $ID_LIKE" in
    *ubuntu*) distribution=ubuntu home=jammy newer="devel $VERSION_CODENAME-updates" components='main universe' ;;
    *) distribution=debian home=bookworm newer='testing stable' components=main ;;
    esac
}

# Which lists and sources apt uses; empty means the machine's own.
lists= sources=
apt() {
    program=$1
    shift
    set -- -o Dir::Cache="$work/cache" -o Dir::State::status="$work/status" \
        -o APT::Sandbox::User=root "$@"
    [ -z "$lists" ] || set -- -o Dir::State::lists="$lists" "$@"
    # A mirror that stopped following a release says so with an old date; its
    # packages are still signed.
    [ -z "$sources" ] || set -- -o Dir::Etc::sourcelist="$sources" -o Dir::Etc::sourceparts=- \
        -o Acquire::Check-Valid-Until=false "$@"
    "$program" "$@" 2>>"$log"
}

# The newest version of package $1 that starts with $2.
offered() {
    apt apt-cache madison "$1" | awk -F'|' -v want="$2" \
        '{ gsub(/ /, "", $2); if (index($2, want) == 1) { print $2; exit } }'
}

download() { (cd "$work/debs" && apt apt-get -q download "$@" >>"$log"); }

# Packages and all they depend on, as on an empty machine.
download_all() {
    apt apt-get -q -y --no-install-recommends --download-only \
        -o Dir::Cache::archives="$work/debs" -o Debug::NoLocking=true install "$@" >>"$log" || return 1
}

unpack() {
    for deb in "$work/debs/"*.deb; do dpkg-deb -x "$deb" "$work/tree" || return 1; done
    rm -f "$work/debs/"*.deb
}

# The mirrors of the machine's own release, as apt itself reads its
# configuration; other sources need not be reachable and are left out.
mirrors() (
    lists= sources=
    apt apt-get --print-uris update |
        sed -n "s#^'\(.*\)/dists/\($VERSION_CODENAME\|stable\)/InRelease'.*#\1#p" | sort -u
)

# The distribution's own key, where apt doesn't trust it for every source.
signed_by() {
    for keyring in /usr/share/keyrings/"$distribution"-archive-keyring.gpg \
        /usr/share/keyrings/"$distribution"-archive-keyring.pgp; do
        [ ! -s "$keyring" ] || { echo "[signed-by=$keyring]"; return; }
    done
}

# From here on, packages are those of one release ($1).
update_private() {
    mirrors | sed "s|^|deb $(signed_by) |; s|\$| $1 $components|" >"$work/sources.list"
    [ -s "$work/sources.list" ] || { echo "no mirror of $VERSION_CODENAME is configured" >>"$log"; return 1; }
    rm -rf "$work/lists"
    mkdir -p "$work/lists/partial"
    sources=$work/sources.list lists=$work/lists
    say "reading the package lists of $1 (private copy)"
    # Indexes of descriptions and icons are left out.
    apt apt-get -q -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false update >>"$log" || return 1
}

# The machine's own folder of libraries, such as x86_64-linux-gnu.
triplet() {
    ldd "$(command -v dpkg-deb)" | sed -n 's|.*/lib/\([^/]*linux-gnu[^/]*\)/.*|\1|p' | head -n 1
}

# Libraries that programs (paths in the tree) lack on this machine.
missing() {
    for program in "$@"; do
        LD_LIBRARY_PATH=$work/tree/usr/lib/$(triplet):$work/tree/lib/$(triplet) \
            ldd "$work/tree/$program"
    done | awk '/not found/ && $2 == "=>" { print $1 }' | sort -u
}

# They go beside the programs, and their folders into the file `ldpath` of the
# tree: `libfoo.so.2` is in package `libfoo2`, and `libfoo1.so.2` in `libfoo1-2`
# (Debian policy 8.1). $1 is where the tree will be, then the programs.
add_libraries() {
    final=$1
    shift
    for round in 1 2 3 4 5; do
        sonames=$(missing "$@")
        [ -n "$sonames" ] || return 0
        names=$(for soname in $sonames; do
            echo "$soname" | sed 's/\([0-9]\)\.so\./\1-/; s/\.so\.//' | tr '[:upper:]_' '[:lower:]-'
        done)
        say "downloading libraries this machine lacks:" $names
        # shellcheck disable=SC2086 # one word per package
        download $names || { say "apt has no package for:" $sonames; return 1; }
        unpack
        echo "$final/usr/lib/$(triplet):$final/lib/$(triplet)" >"$work/tree/ldpath"
    done
    say "libraries still missing:" $(missing "$@")
    return 1
}

# Whether the programs (paths in the tree) start here at all.
runs_here() {
    for program in "$@"; do
        LD_LIBRARY_PATH=$work/tree/usr/lib/$(triplet):$work/tree/lib/$(triplet) \
            "$work/tree/$program" --version >>"$log" 2>&1 || return 1
    done
}
