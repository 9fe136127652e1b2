# SPDX-License-Identifier: GPL-2.0-only
#
# trace.awk OUTPUT LOG: what is executed once per operation, by class, from a Bochs
# trace (lab --trace) of the operations in OUTPUT, whose blocks are in their order:
#
#	count VMM OPERATION CLASS NUMBER
#
# The guest's own instructions lie below 4 MiB and are not counted.

FNR == NR {
	if ($1 == "lodge" || $1 == "kvm")
		name[++names] = $1 " " $2
	next
}

function class(insn)
{
	if (insn ~ /^lock / || insn ~ /^xchg .*ptr/)
		return "locked"
	if (insn ~ /^mov cr/)
		return "cr_write"
	if (insn ~ /^mov dr/)
		return "dr_write"
	if (insn ~ /^f?xsave/)
		return "xsave"
	if (insn ~ /^f?xrstor/)
		return "xrstor"
	if (insn ~ /^inv/)
		return "invalidate"
	if (insn ~ /^iret/)
		return "iret"
	if (insn ~ /^(vmresume|vmlaunch|vmrun)/)
		return "entry"
	if (match(insn, /^(vmread|vmwrite|rdmsr|wrmsr|vmload|vmsave|clgi|stgi|verw|syscall|xsetbv|wrpkru)/))
		return substr(insn, 1, RLENGTH)
	return ""
}

/Magic breakpoint/ {
	# The first of two begins a block.
	inside = !inside
	if (inside)
		block++
	next
}

inside && /^\(0\)\.\[[0-9]+\]/ {
	if (!match($0, /[0-9a-f]+:[0-9a-f]+ \([^)]*\): /))
		next
	address = substr($0, RSTART, RLENGTH)
	insn = substr($0, RSTART + RLENGTH)
	sub(/^[0-9a-f]+:/, "", address)
	sub(/ .*/, "", address)
	sub(/^0+/, "", address)
	if (length(address) < 6 || (length(address) == 6 && address < "400000"))
		next
	number[block, "instructions"]++
	c = class(insn)
	if (c != "")
		number[block, c]++
}

END {
	if (block != names) {
		print block + 0 " blocks for " names + 0 " operations" >"/dev/stderr"
		exit 1
	}
	for (key in number) {
		split(key, part, SUBSEP)
		print "count", name[part[1]], part[2], number[key]
	}
}
