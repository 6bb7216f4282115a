#!/bin/bash
# SPDX-License-Identifier: MIT
# Compiles each public header alone, twice included, as C99 and C11 and as C++, with every
# warning an error: headers.sh INCLUDE-FOLDER C-COMPILER C++-COMPILER
set -u
include=$1
number=0
bad=0

# try LANGUAGE STANDARD HEADER COMPILER
try() {
	number=$((number + 1))
	if printf '#include <umod/%s>\n#include <umod/%s>\n' "$3" "$3" |
		"$4" -x "$1" -std="$2" -fsyntax-only -Wall -Wextra -pedantic -Werror \
			-I"$include" - 2>&1 | sed 's/^/# /' | grep .; then
		bad=1
		printf 'not '
	fi
	echo "ok $number - $3 as $2"
}

for header in "$include"/umod/*.h; do
	name=$(basename "$header")
	try c c99 "$name" "$2"
	try c c11 "$name" "$2"
	try c++ c++11 "$name" "$3"
	try c++ c++17 "$name" "$3"
done
echo "1..$number"
exit "$bad"
