#!/bin/bash
# SPDX-License-Identifier: MIT
# man.bash PAGE...: every page formats without a warning, and names of pages that it
# refers to exist if they are ours. Without a formatter the first is skipped.
set -u
number=0 bad=0

result() { # STATUS NAME OUTPUT
	number=$((number + 1))
	[ "$1" = 0 ] && echo "ok $number - $2" && return
	echo "not ok $number - $2"
	echo "$3" | sed 's/^/# /'
	bad=1
}

lint() {
	if command -v mandoc >/dev/null; then
		mandoc -T lint -W warning "$1" 2>&1
	elif command -v groff >/dev/null; then
		groff -mandoc -Tutf8 -ww -rCHECKSTYLE=3 -z "$1" 2>&1
	fi
}

for page; do
	output=$(lint "$page")
	result "$([ -z "$output" ]; echo $?)" "$(basename "$page") formats" "$output"
	missing=
	while read -r name section; do
		case $name in
		umod*) [ -e "$(dirname "$page")/$name.$section" ] || missing+="$name.$section " ;;
		esac
	done < <(sed -n 's/^\.Xr \([^ ]*\) \([0-9]\).*/\1 \2/p' "$page")
	result "$([ -z "$missing" ]; echo $?)" "$(basename "$page") refers to pages that are" \
		"missing: $missing"
done
echo "1..$number"
exit $bad
