#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs umod into a staging folder, then builds and runs examples/embed with what lies
# there alone, as a user of the installed package would: embed.sh SOURCES BUILD
set -u
sources=$1
build=$2
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

ok=1
tell() { # tell NUMBER NAME STATUS
	[ "$3" = 0 ] || { ok=0; printf 'not '; }
	echo "ok $1 - $2"
}

echo 1..6
meson install -C "$build" --no-rebuild --destdir "$stage/root" >"$stage/log" 2>&1
status=$?
[ $status = 0 ] || sed 's/^/# /' "$stage/log"
tell 1 "install to a staging folder" $status

# A copy, so that nothing of the tree is found by accident.
cp -r "$sources/examples/embed" "$stage/embed"
pc=$(find "$stage/root" -name umod.pc)
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$stage/root"
make -C "$stage/embed" >"$stage/log" 2>&1
status=$?
[ $status = 0 ] || sed 's/^/# /' "$stage/log"
tell 2 "build the example with pkg-config alone" $status

LD_LIBRARY_PATH=$(dirname "$(find "$stage/root" -name libumod.so.0)")
export LD_LIBRARY_PATH
"$stage/embed/embed" >"$stage/log" 2>&1
status=$?
[ $status = 0 ] || { echo "# exit status $status"; sed 's/^/# /' "$stage/log"; }
tell 3 "run the example" $status
grep -q 'two copies of libz, each with its own code: yes' "$stage/log"
tell 4 "it had two copies" $?

# The static library: the program is one file, and does the same.
unset LD_LIBRARY_PATH
archive=$(find "$stage/root" -name libumod.a)
cc -o "$stage/embed/static" -I"$stage/root/usr/local/include" "$stage/embed/embed.c" \
	"$archive" -lpthread -ldl >"$stage/log" 2>&1
status=$?
[ $status = 0 ] || sed 's/^/# /' "$stage/log"
tell 5 "build it with the static library" $status
"$stage/embed/static" >"$stage/log" 2>&1 &&
	grep -q 'two copies of libz, each with its own code: yes' "$stage/log"
status=$?
[ $status = 0 ] || sed 's/^/# /' "$stage/log"
tell 6 "run it" $status
[ $ok = 1 ]
