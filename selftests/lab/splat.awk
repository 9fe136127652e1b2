# SPDX-License-Identifier: GPL-2.0-only
#
# Prints the splats of a kernel log: one line each, that which names it. A call
# trace counts when no line above it explains it. Lines that match the regular
# expression in the environment's EXPECT are forgiven, with their trace.

BEGIN {
	# Not by -v, which would eat backslashes.
	expect = ENVIRON["EXPECT"]
	head = "BUG( [A-Za-z0-9_-]+ \\(|:)|kernel BUG at|Kernel panic" \
		"|KASAN:|UBSAN:|[Dd]ead loop|INFO: task .* blocked for more" \
		"|rcu:.*(self-detected stall|detected stalls)" \
		"|INFO: (possible|suspicious|trying to register non-static)" \
		"|[Uu]nable to handle|general protection fault" \
		"|kmemleak: .* new suspected|refcount_t:" \
		"|(divide error|invalid opcode|double fault|int3): [0-9a-f]+ \\[#" \
		"|stack segment:|unchecked MSR access error" \
		"|WARNING: possible|NMI watchdog:.*LOCKUP|bad: scheduling"
	# These two only where a message begins: others speak of warnings too.
	start = "^(\\[ *[0-9.]+\\] *)?(\\[ *[TC][0-9]+\\] *)?" \
		"(-+\\[ cut here|WARNING: |Oops: |Oops\\[)"
	innocent = "invoked oom-killer|sysrq: |traps: |segfault at" \
		"|vmalloc error: |page allocation failure: "
	reach = 60
}

{ sub(/\r$/, "") }

$0 ~ innocent {
	covered = reach
	next
}

/-+\[ cut here/ { next }

$0 ~ head || $0 ~ start {
	if (/Oops/ && covered > 0)
		next
	covered = reach
	if (expect == "" || $0 !~ expect)
		print
	next
}

/Call Trace:/ && covered <= 0 {
	covered = reach
	if (expect == "" || $0 !~ expect)
		print
}

{ covered-- }
