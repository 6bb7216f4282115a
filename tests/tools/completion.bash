#!/bin/bash
# SPDX-License-Identifier: MIT
# completion.bash UMOD SCRIPT: what bash offers for words that were begun.
set -u
umod=$(realpath "$1")
# shellcheck source=/dev/null
source "$2"
number=0 bad=0

# check WHAT-IS-EXPECTED WORD...: the last word is being completed.
check() {
	local should=$1
	shift
	COMP_WORDS=("$umod" "$@") COMP_CWORD=$#
	_umod "$umod" "${!#}" 2>/dev/null
	local got="${COMPREPLY[*]}"
	number=$((number + 1))
	if [ "$got" = "$should" ]; then
		echo "ok $number - $*"
	else
		echo "not ok $number - $*: offers '$got', should be '$should'"
		bad=1
	fi
}

cd "$(mktemp -d)" || exit 1
trap 'rm -rf "$PWD"' EXIT
: >libfile.so
check "check tree info symbols features run maps $(
	"$umod" --help | sed -n '/^  maps/,/^  help/s/^  \([a-z][a-z-]\+\)  .*/\1/p' |
		grep -vE 'maps|help' | tr '\n' ' ')help --help --version" ""
check "check" "ch"
check "tree" help tr
check "new process" check --namespace ""
check "" check --jobs ""
check "--namespace --no-init" check --n
check "--json" tree --j
check "--defined --demangle" symbols --de
check "libfile.so" info lib
check "--policy --isolate --trace --help" run --
check "$$" maps "$$"
echo "1..$number"
exit $bad
