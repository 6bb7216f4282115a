# SPDX-License-Identifier: MIT
# bash completion for umod(1). Options are read from the program's own --help.

_umod_commands()
{
	"${1:-umod}" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]\+\)  .*/\1/p'
}

_umod_options()
{
	"${1:-umod}" help "$2" 2>/dev/null | sed -n -e 's/^  \(--[a-z-]\+\).*/\1/p' \
		-e 's/^\t.*[ \t]\(--[a-z-]\+\).*/\1/p'
}

_umod()
{
	local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]}

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_umod_commands "$program") --help --version" -- "$word")
		return
	fi
	case $command,$before in
	help,*)
		((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W \
			"$(_umod_commands "$program")" -- "$word")
		return
		;;
	check,--namespace)
		mapfile -t COMPREPLY < <(compgen -W "new process" -- "$word")
		return
		;;
	check,--timeout | check,--jobs | run,--isolate)
		return
		;;
	maps,*)
		[[ $word == -* ]] || mapfile -t COMPREPLY < <(compgen -W \
			"$(cd /proc && echo [0-9]*)" -- "$word")
		;;
	run,run | run,--trace)
		[[ $word == -* ]] || mapfile -t COMPREPLY < <(compgen -c -- "$word")
		;;
	esac
	[[ ${#COMPREPLY[@]} == 0 ]] || return
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_umod_options "$program" "$command")" -- "$word")
		return
	fi
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

complete -F _umod umod
