# SPDX-License-Identifier: GPL-2.0-only
#
# Reads bare/differences and the output of bare/host.sh; prints KTAP. Status 1
# when Lodge fails a check, a program did not end by itself, or KVM differs and
# no one has said why.

function result(good, name) {
	printf "%sok %d %s\n", good ? "" : "not ", ++count, name
	failed += !good
}

# A check's name, without its number and a skip's reason.
function name_of(line) {
	sub(/^(not )?ok [0-9]+ /, "", line)
	sub(/ # SKIP.*/, "", line)
	return line
}

# The program's results are known when its end line comes.
function finish(vmm, program, status, end,    i, key) {
	seen[vmm, program] = 1
	for (i = 1; i <= lines; i++) {
		key = program ": " name_of(line[i])
		if (vmm == "lodge") {
			passed[key] = line[i] ~ /^ok/
			if (line[i] ~ / # SKIP /)
				print "ok " ++count " " key substr(line[i], index(line[i], " # SKIP "))
			else
				result(passed[key], key)
		} else if (line[i] ~ /^not ok/ && passed[key]) {
			if (key in why)
				print "# KVM differs: " key ": " why[key]
			else
				result(0, "KVM differs, unexplained: " key)
		}
	}
	if (vmm == "lodge")
		result(status == 1 || status == 3, program ": ends by itself: " end)
	else if (status != 1 && status != 3 && !((program ": ends") in why))
		result(0, "KVM " program ": " end)
	lines = 0
}

NR == FNR {
	if ($0 !~ /^#/ && split($0, part, "\t") == 2)
		why[part[1]] = part[2]
	next
}
FNR == 1 { print "KTAP version 1" }
/^(not )?ok [0-9]+ / { line[++lines] = $0; next }
/^@ / {
	end = $0
	sub(/^@ [a-z]+ [a-z_0-9]+ [0-9]+ ?/, "", end)
	finish($2, $3, $4, end)
	next
}
/^#/ { print }

END {
	n = split(want, program, " ")
	for (i = 1; i <= n; i++)
		if (!(("lodge", program[i]) in seen))
			result(0, program[i] ": did not run")
	n = split(kvm, program, " ")
	for (i = 1; i <= n; i++)
		if (!(("kvm", program[i]) in seen))
			result(0, "KVM " program[i] ": did not run")
	print "1.." count
	exit failed > 0
}
