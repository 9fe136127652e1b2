# SPDX-License-Identifier: GPL-2.0-only
#
# The outputs of boot-host.sh side by side, in millions of instructions, and as
# JSON with -v json=FILE. Fails when one of the boots was not measured.

$1 == "boot" {
	value[$2, $3, $4] = $5
	if ($4 ~ /^exit-/)
		reasons[$2, $3] = reasons[$2, $3] sprintf(" %s %d", substr($4, 6), $5)
}

function host(vmm, mode)
{
	return value[vmm, mode, "total"] - value[vmm, mode, "guest"]
}

function show(vmm, mode)
{
	if (!value[vmm, mode, "total"] || !value[vmm, mode, "guest"]) {
		print vmm, mode ": not measured"
		bad++
		return
	}
	printf "%-8s %-6s %9.1f %9.1f %9.1f %9d %9d\n", mode, vmm,
		value[vmm, mode, "total"] / 1e6, value[vmm, mode, "guest"] / 1e6,
		host(vmm, mode) / 1e6, value[vmm, mode, "exits"], value[vmm, mode, "user"]
	if (json)
		printf "%s\n  { \"vmm\": \"%s\", \"mode\": \"%s\", \"total\": %.0f, \"guest\": %.0f, \"exits\": %d, \"user\": %d }",
			n++ ? "," : "", vmm, mode, value[vmm, mode, "total"],
			value[vmm, mode, "guest"], value[vmm, mode, "exits"],
			value[vmm, mode, "user"] >json
}

END {
	if (json)
		printf "{ \"boots\": [" >json
	printf "%-8s %-6s %9s %9s %9s %9s %9s\n", "boot", "VMM", "total", "guest", "host",
		"exits", "to user"
	for (i = split("quiet verbose", modes); i; i--) {
		mode = modes[i]
		show("kvm", mode)
		show("lodge", mode)
		if (host("kvm", mode) > 0 && host("lodge", mode) > 0)
			printf "%-8s host share of Lodge over KVM with QEMU: %.2f (aimed at: 0.40)\n",
				mode, host("lodge", mode) / host("kvm", mode)
	}
	for (key in reasons) {
		split(key, part, SUBSEP)
		print part[1], part[2] " exits:" reasons[key]
	}
	if (json)
		print "\n] }" >json
	exit bad > 0
}
