# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What each fuzzer of userspace is built with: the module's files need the shim in
# place of the kernel's headers, the launcher's must not see it.

RING_FUZZ=(-Iselftests/fuzz/shim virtio/{ring,packed}.c)
INSN_FUZZ=(-Iselftests/fuzz/shim module/{decode,emulate,execute,simd,translate}.c)
LOAD_FUZZ=(-Iuserspace/{liblodge,launcher} userspace/liblodge/{stats,system,vcpu,virtio,vm}.c
	   userspace/launcher/{boot,bzimage,elf,pvh,multiboot,bios,firmware}.c
	   userspace/launcher/{memory,memory_options,options,virtio_options,json,util}.c
	   userspace/launcher/bios.S)
