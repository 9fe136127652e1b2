# SPDX-License-Identifier: GPL-2.0-only
#
# trace.awk OUTPUT LOG: what a Bochs trace (lab --trace) of each operation of
# OUTPUT executes besides plain instructions, the guest's own apart:
#
#	count VMM OPERATION CLASS NUMBER
#
# The blocks of the trace come in the order of the operations.

FNR == NR {
	if ($1 == "lodge" || $1 == "kvm")
		name[++names] = $1 " " $2
	next
}
