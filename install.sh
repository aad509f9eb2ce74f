#!/usr/bin/env bash
# Builds vmb from this folder and installs it on this machine; ./install.sh --help says more.
set -euo pipefail

usage() {
  cat <<'TEXT'
Builds vmb from this folder and installs it on this machine.

Usage: ./install.sh [OPTION]

  (none)       build, and install: program, links, units and log rotation (vmb hv install)
  --yes        the same; files that were changed on this machine are replaced, and set aside
  --keep-all   the same; files that were changed on this machine are kept
  --build      only build dist/vmb
  --demo       build, and back up a VM that is made for it; removes everything it made
  --test       build, and run all tests; the last line counts them
  --uninstall  remove the program; configuration, logs and backups stay
  --help       show this

Programs that are missing come from the package repositories of this machine (apt or dnf) and stay. Deno
comes from npm, unless this very version is on the PATH, and is kept in ~/.cache/vmb-build.

With DESTDIR=/folder in the environment, everything is installed below that folder.
TEXT
}

deno_version=2.9.6
deno_sha256=bceb5b6a6239b0b010418406d8c77a508f67cf4337d94288f1c19fe71304aab0 # of Linux on x86_64

[ -t 1 ] || export NO_COLOR=1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmb-build
built=$root/dist/vmb
target=${DESTDIR:-}/opt/vm-backup
link=${DESTDIR:-}/usr/local/bin/vmb
unpacked=${DESTDIR:-}/var/cache/vmb

# A line is: what must be there, a program or a file, one of several; its package for apt; and for dnf.
# "-" is for what a distribution does not have, and what is then done without.
to_run='
virsh                                       libvirt-clients             libvirt-client
qemu-nbd                                    qemu-utils                  qemu-img'
drivers=libvirt/connection-driver/libvirt_driver_qemu.so
to_show="$to_run
qemu-system-x86_64|/usr/libexec/qemu-kvm    qemu-system-x86             qemu-kvm
libvirtd|virtqemud                          libvirt-daemon-system       libvirt-daemon-driver-qemu
/usr/lib/*/$drivers|/usr/lib64/$drivers     libvirt-daemon-driver-qemu  libvirt-daemon-driver-qemu
qemu-ga                                     qemu-guest-agent            qemu-guest-agent
busybox                                     busybox-static              -
mkfs.ext4                                   e2fsprogs                   e2fsprogs"
to_test="$to_show
/usr/share/OVMF/*_4M.fd|/usr/share/edk2/ovmf ovmf                       edk2-ovmf
swtpm                                       swtpm                       swtpm
swtpm_setup                                 swtpm-tools                 swtpm-tools
ip                                          iproute2                    iproute
nft                                         nftables                    nftables
dnsmasq                                     dnsmasq-base                dnsmasq
strace                                      strace                      strace
python3                                     python3                     python3
/usr/lib/python3*/*/xxhash|/usr/lib64/python3*/*/xxhash python3-xxhash  python3-xxhash
git                                         git                         git
curl                                        curl                        curl
nbdkit                                      nbdkit                      nbdkit
nbdinfo                                     libnbd-bin                  libnbd
zstd                                        zstd                        zstd
mmdebstrap                                  mmdebstrap                  mmdebstrap
openssl                                     openssl                     openssl
perl                                        perl-base                   perl-interpreter
initdb|/usr/lib/postgresql/*/bin/initdb     postgresql                  postgresql-server
shellcheck                                  shellcheck                  -
logrotate                                   logrotate                   logrotate
systemd-analyze                             systemd                     systemd
/usr/sbin/sshd                              openssh-server              openssh-server
sudo                                        sudo                        sudo
tcsh                                        tcsh                        tcsh
ssh                                         openssh-client              openssh-clients
script                                      bsdutils                    util-linux"

main() {
  [ $# -le 1 ] || wrong_usage "$@"
  case ${1:-} in
    '' | --yes | --keep-all) build_if_changed; install_program "$@" ;;
    --build) build ;;
    --demo) demo ;;
    --test) run_tests ;;
    --uninstall) uninstall ;;
    --help | -h) usage ;;
    *) wrong_usage "$@" ;;
  esac
}

say() {
  if [ -z "${NO_COLOR:-}" ]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi
}

fail() {
  printf 'install.sh: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 1
}

wrong_usage() {
  printf 'install.sh: unknown option: %s\n\n' "$*" >&2
  usage >&2
  exit 2
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    fail "Only root may run: $*" "Run this as root, or install sudo"
  fi
}

# Shows what a command said only if it failed.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || tail -n 30 "$log" >&2
  rm -f "$log"
  return "$status"
}

have() { command -v "$1" >/dev/null 2>&1; }

# --- packages

present() {
  local one any
  IFS='|' read -ra any <<<"$1"
  for one in "${any[@]}"; do
    case $one in
      /*) compgen -G "$one" >/dev/null && return ;;
      *) PATH=$PATH:/usr/sbin:/sbin have "$one" && return ;;
    esac
  done
  return 1
}

# Installs the packages of those lines whose programs are not there.
require() {
  local what apt dnf package missing=()
  while read -r what apt dnf; do
    if [ -z "$what" ] || present "$what"; then continue; fi
    if have apt-get; then package=$apt; else package=$dnf; fi
    [ "$package" = - ] || missing+=("$package")
  done <<<"$1"
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing packages: ${missing[*]}"
  if have apt-get; then
    apt_install "${missing[@]}"
  elif have dnf; then
    quietly as_root dnf install -y --setopt=install_weak_deps=False "${missing[@]}"
  else
    fail "Missing: ${missing[*]}" "Install them; only apt and dnf are known here"
  fi
}

apt_install() (
  export DEBIAN_FRONTEND=noninteractive
  local policy=/usr/sbin/policy-rc.d
  # A daemon must not begin to run because a demo or a test wanted its package.
  if ! [ -e "$policy" ]; then
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root install -m 0755 /dev/stdin "$policy"
  fi
  apt_update
  quietly as_root apt-get -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
)

apt_update() { quietly as_root apt-get -o DPkg::Lock::Timeout=300 -q update; }

# The guests of demo and tests get a kernel that apt fetches where none is installed.
require_guests() {
  require "$1"
  if have apt-get && ! apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then apt_update; fi
}

# --- Deno and the build

find_deno() {
  if have deno && [ "$(deno -V)" = "deno $deno_version" ]; then
    deno=$(command -v deno)
  else
    deno=$cache/deno-$deno_version/deno
    [ -x "$deno" ] || fetch_deno
  fi
  export DENO_DIR=${DENO_DIR:-$cache/deno-dir} DENO_NO_UPDATE_CHECK=1
}

fetch_deno() (
  [ "$(uname -m)" = x86_64 ] ||
    fail "No Deno is known for $(uname -m)" "Put deno $deno_version on the PATH"
  require 'npm npm npm'
  say "Fetching Deno $deno_version from npm into $cache"
  mkdir -p "$(dirname "$deno")"
  work=$(mktemp -d "$cache/npm.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  package=@deno/linux-x64-glibc
  quietly npm install --prefix "$work" --cache "$work/cache" --ignore-scripts --no-audit --no-fund \
    "$package@$deno_version" || fail "npm could not install $package" "Put deno $deno_version on the PATH"
  fetched=$work/node_modules/$package/deno
  echo "$deno_sha256  $fetched" | sha256sum --check --quiet ||
    fail "Deno from npm is not the expected one: its SHA-256 differs" "Put deno $deno_version on the PATH"
  mv "$fetched" "$deno"
)

build() {
  find_deno
  say "Building dist/vmb"
  (cd "$root" && "$deno" task --quiet build)
}

build_if_changed() {
  local newer
  if [ -x "$built" ]; then
    newer=$(find "$root" -mindepth 1 \( -name .git -o -name .ci -o -name dist -o -name docs -o -name tests \
      -o -name '*.md' \) -prune -o -newer "$built" -print -quit)
    if [ -z "$newer" ]; then
      say "dist/vmb is newer than all sources: not built again"
      return
    fi
  fi
  build
}

# --- demo and tests

demo() {
  require_guests "$to_show"
  find_deno
  build_if_changed
  VMB_BIN=$built exec "$deno" run --quiet --allow-all "$root/scripts/demo/main.ts"
}

run_tests() {
  require_guests "$to_test"
  build
  reports=$(mktemp -d)
  trap 'rm -rf "$reports"' EXIT
  passed=0 failed=0 skipped=0
  run_suite ok
  run_suite e2e
  [ $((passed + failed)) -gt 0 ] || failed=1
  if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
  else
    echo "$passed passed, $failed failed"
  fi
  [ "$failed" = 0 ]
}

# Runs a task that ends in deno test, and adds what its report counts.
run_suite() {
  local report=$reports/$1.xml status=0 all=0 bad=0 ignored=0
  say "Running: deno task $1"
  (cd "$root" && PATH=$(dirname "$deno"):$PATH VMB_BIN=$built \
    "$deno" task --quiet "$1" "--junit-path=$report" </dev/null) || status=$?
  if [ -e "$report" ]; then
    all=$(grep -c '^ *<testcase ' "$report" || true)
    bad=$(grep -cE '^ *<(failure|error) ' "$report" || true)
    ignored=$(grep -c '^ *<skipped' "$report" || true)
  fi
  # Formatting, lint, types, or a run that died: no report tells of those.
  if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1 all=$((all + 1)); fi
  passed=$((passed + all - bad - ignored)) failed=$((failed + bad)) skipped=$((skipped + ignored))
}

# --- install and uninstall

# In an image, what it unpacks goes there too.
self_install() {
  local program=$1
  shift
  as_root env ${DESTDIR:+"VMB_UNPACK_DIR=$unpacked"} "$program" hv install ${DESTDIR:+--root "$DESTDIR"} "$@"
}

install_program() {
  require "$to_run"
  say "Installing to $target"
  self_install "$built" "$@"
  local version
  version=$(as_root env ${DESTDIR:+"VMB_UNPACK_DIR=$unpacked"} "$target/bin/vmb" --version)
  echo "$link is $version"
  cat <<'TEXT'
Next:
  1. mount the share on /mnt/backup, or set BACKUP_ROOT in /opt/vm-backup/config/vm-backup.conf
  2. list your VMs in /opt/vm-backup/config/vm-list.yaml
  3. vmb config validate && vmb hv check NAME && vmb hv backup NAME
TEXT
}

uninstall() {
  local program=$target/bin/vmb
  [ -x "$program" ] || program=$built
  [ -x "$program" ] || fail "No program in $target/bin or dist" "Build one first: ./install.sh --build"
  self_install "$program" --uninstall
  echo "stays: $cache (Deno, for the next build)"
  echo "stays: packages that were installed for vmb"
}

main "$@"
