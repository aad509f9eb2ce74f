#!/bin/sh
# Puts together the users of Bacularis: those of the repository. Of what the page saved, each one's second factor is
# kept, so that it survives a restart and a deploy; whatever else was changed there, and users who are gone, go.
# Usage: keep-users.sh OURS FOLDER GROUP    OURS is of the repository, FOLDER/users.conf is what the page writes
set -eu
ours=$1 folder=$2 group=$3
saved=$folder/users.conf
[ -e "$saved" ] || : >"$saved"
umask 077
awk -v saved="$saved" '
  function section(line) { return line ~ /^\[.*\][ \t\r]*$/ }
  function factor(line) { return line ~ /^(mfa|totp_secret|fidou2f_credentials)[ \t]*(\[|=)/ }
  function trimmed(line) { sub(/[ \t\r]*$/, "", line); return line }
  function finish() { printf "%s", kept[user]; delete kept[user] }
  BEGIN {
    while ((getline line < saved) > 0) {
      if (section(line)) of = trimmed(line)
      else if (of != "" && factor(line)) kept[of] = kept[of] trimmed(line) "\n"
    }
  }
  section($0) { finish(); user = trimmed($0) }
  !factor($0) { print }
  END { finish() }
' "$ours" >"$folder/.new"
# The file is of root and the group of PHP: root has no privilege here to read the files of others.
chgrp "$group" "$folder" "$folder/.new"
chmod 0710 "$folder"
chmod 0660 "$folder/.new"
mv "$folder/.new" "$saved"
