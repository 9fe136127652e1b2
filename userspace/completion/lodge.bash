# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# bash completion for lodge: commands and options come from its own help.

_lodge()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words

	if ((COMP_CWORD == 1)); then
		words=$(lodge help 2>/dev/null | sed -n 's/^  lodge \([a-z]*\).*/\1/p')
	elif [[ $cur == -* ]]; then
		words=$(lodge "${COMP_WORDS[1]}" --help 2>/dev/null |
			grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--?[a-z-]+')
	else
		case $prev in
		--transport)	words='pci mmio' ;;
		--serial)	words='stdio null file=' ;;
		--triple-fault)	words='end reset' ;;
		--panic)	words='end ignore' ;;
		--sandbox)	words='on off' ;;
		*)		mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o filenames -F _lodge lodge
