#!/bin/sh
# vmb @VERSION@, a program in one file: this script, and after its last line a gzipped tar of the Deno
# runtime and vmb itself. The first start unpacks it (1 s), later starts run what is there.
set -eu
payload_sha256=@SHA256@
payload_start=@START@
# Whoever calls, with whatever PATH, gets the system's own tools; vmb itself gets the caller's.
callers_path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin

fail() {
  printf 'vmb: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 5
}

uid=$(id -u)
if [ -n "${VMB_UNPACK_DIR:-}" ]; then
  base=$VMB_UNPACK_DIR
elif [ "$uid" = 0 ]; then
  base=/var/cache/vmb
  # Where that is mounted noexec, vmb ctl push puts another folder here: for units, the File Daemon and people alike.
  for named in /opt/vm-backup/config/unpack-dir /etc/vm-backup/unpack-dir; do
    [ ! -f "$named" ] || { read -r base <"$named" || :; break; }
  done
else
  base=${XDG_CACHE_HOME:-${HOME:?vmb needs HOME or VMB_UNPACK_DIR}/.cache}/vmb
fi
unpacked=$base/$payload_sha256

is_whole() {
  [ -e "$unpacked/whole" ] && [ -e "$unpacked/deno" ] && [ -e "$unpacked/main.js" ]
}

# Unpacks beside the final folder and renames: a start that is killed half way never shows a folder that is
# not whole. One start unpacks, others wait for it: what one has found broken, another may have mended.
unpack() {
  exec 9<"$base"
  flock 9
  if is_whole; then
    exec 9<&-
    return
  fi
  tail -c "+$payload_start" "$0" | sha256sum | grep -q "^$payload_sha256 " ||
    fail "\"$0\" is damaged: its content does not have the SHA-256 it was built with" "Copy it again"
  new=$(mktemp -d "$base/unpack.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  tail -c "+$payload_start" "$0" | tar -xzf - --no-same-owner -C "$new" ||
    fail "Unpacking to $base failed" "It takes 100 MB there; VMB_UNPACK_DIR names another folder"
  : >"$new/whole"
  sync "$new"/*
  rm -rf "$unpacked"
  mv -T "$new" "$unpacked"
  trap - EXIT HUP INT TERM
  remove_old
  exec 9<&-
}

# What killed starts left, and versions unpacked a month ago that no process runs.
remove_old() {
  find "$base" -mindepth 1 -maxdepth 1 \( -name 'unpack.*' -mmin +60 -o -mtime +30 \) |
    while read -r old; do
      [ "$old" != "$unpacked" ] || continue
      running=$(find /proc/[0-9]*/exe -maxdepth 0 -lname "$old/*" 2>/dev/null || true)
      [ -n "$running" ] || rm -rf "$old"
    done
}

# Only a folder that nobody else can write to is run from.
[ -d "$base" ] || (umask 022 && mkdir -p "$base")
case $(stat -c '%u %A' "$base") in
  "$uid d"????-??-?) ;;
  *) fail "Folder $base belongs to another user, or others can write to it" "chown $uid $base; chmod 755 $base" ;;
esac
is_whole || unpack
[ -x "$unpacked/deno" ] ||
  fail "Programs in $base cannot be run: the file system is mounted noexec" \
    "Set unpack_dir of this hypervisor in site.yaml, or VMB_UNPACK_DIR, to a folder where programs may be run"

case $0 in
  /*) VMB_EXE=$0 ;;
  *) VMB_EXE=$PWD/$0 ;;
esac
# The code that V8 compiled is kept in DENO_DIR: without it each start takes a third longer.
DENO_DIR=$unpacked/cache
DENO_NO_UPDATE_CHECK=1
PATH=$callers_path
export VMB_EXE DENO_DIR DENO_NO_UPDATE_CHECK
exec "$unpacked/deno" run --no-config --no-lock --no-npm --no-remote --cached-only --no-prompt \
  --allow-all "$unpacked/main.js" "$@"
