# SPDX-License-Identifier: GPL-2.0-only
#
# budgets.awk -v cpu=HOST BUDGETS COUNTS: KTAP, a case for each operation on Lodge
# in COUNTS (see trace.awk) that has a budget; and what both sides executed, as
# comments.

BEGIN {
	classes = split("vmread vmwrite rdmsr wrmsr xsave xrstor xsetbv wrpkru cr_write " \
		"dr_write invalidate vmload vmsave clgi stgi verw iret syscall locked entry", class)
}

/^#/ {
	next
}

FILENAME == ARGV[1] {
	if ($1 == cpu)
		budget[$2, $3] = $4
	if ($1 == cpu)
		judged[$2] = 1
	next
}

$1 == "count" {
	number[$2, $3, $4] = $5
	if ($4 == "instructions" && !($3 in seen)) {
		order[++count] = $3
		seen[$3] = 1
	}
}

function show(vmm, op,    i, n, text)
{
	if (!number[vmm, op, "instructions"])
		return
	text = sprintf("# %-16s %-5s %6d instructions:", op, vmm, number[vmm, op, "instructions"])
	for (i = 1; i <= classes; i++) {
		n = number[vmm, op, class[i]]
		if (n)
			text = text " " class[i] " " n
	}
	print text
}

END {
	print "KTAP version 1"
	print "1.." count
	for (i = 1; i <= count; i++) {
		op = order[i]
		show("kvm", op)
		show("lodge", op)
		if (!(op in judged)) {
			printf "ok %d %s # SKIP no budget\n", i, op
			continue
		}
		over = ""
		for (j = 1; j <= classes; j++) {
			n = number["lodge", op, class[j]]
			if (class[j] !~ /^(locked|syscall|iret)$/ && n > budget[op, class[j]])
				over = over sprintf(" %s %d of %d", class[j], n, budget[op, class[j]])
		}
		printf "%sok %d %s: within its budget%s\n", over == "" ? "" : "not ", i, op,
			over == "" ? "" : ", but for" over
		bad += over != ""
	}
	exit bad > 0
}
