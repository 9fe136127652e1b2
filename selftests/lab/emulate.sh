# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The two emulators. Both leave ttyS0 in RUN/console, ttyS1 in RUN/stdout and
# ttyS2 in RUN/stderr. Each start_ function sets EMULATOR to the process.

EMULATOR=

is_bochs()
{
	[[ $CPU == intel || $CPU == amd-nrips || $CPU == no-npt ]]
}

kernel_args()
{
	local args="console=ttyS0,115200 loglevel=5 panic=-1"

	args+=" no_timer_check kunit.enable=1"

	if is_bochs; then
		# By CPUID it has 3.5 GHz; by its devices' clocks, ips (below).
		args+=" nokaslr tsc=reliable tsc_early_khz=100000"
		((NODES > 1)) && args+=" numa=fake=$NODES"
	fi
	echo "$args${APPEND:+ $APPEND}"
}

#
# QEMU
#

# FXRSTOR and XRSTOR on any CPU of QEMU's write flags of its first CPU, by no atomic
# operation (cpu_clear_ignne). If that is in VMRUN, or about to leave a guest, it
# forgets that its tables are nested, or goes on believing it, or takes no interrupt
# any more. So none but the kernel's own tasks run on the first of several.
spare_cpus()
{
	[[ $CPU == amd ]] && ((SMP > 1 && COUNT == 0)) && echo 1 || echo 0
}

qemu_numa()
{
	local spare=$1 i each=$((SMP / NODES)) first=0 last

	((NODES > 1)) || return 0
	for ((i = 0; i < NODES; i++)); do
		last=$((i * each + each - 1 + spare))
		echo -object
		echo "memory-backend-ram,id=n$i,size=$((MEM / NODES))M"
		echo -numa
		echo "node,nodeid=$i,memdev=n$i,cpus=$first-$last"
		first=$((last + 1))
	done
}

qemu_disks()
{
	local run=$1 i=0 disk file

	for disk in "${DISKS[@]}"; do
		file=$disk
		if [[ ! -e $disk ]]; then
			file=$run/disk$i
			truncate -s "$disk" "$file" ||
				die "--disk: neither a file nor a size: $disk"
		fi
		echo -drive
		echo "file=$file,format=raw,if=virtio,cache=unsafe"
		i=$((i + 1))
	done
}

start_qemu()
{
	local run=$1 kernel=$2 cpu=EPYC,-svm spare sockets=1 args=()

	[[ $CPU == amd ]] && cpu=EPYC,+svm,+npt
	spare=$(spare_cpus)
	((NODES > 1)) && sockets=$((SMP + spare))
	mapfile -t args < <(qemu_numa "$spare"; qemu_disks "$run")
	args+=(-cpu "$cpu" -smp "$((SMP + spare)),sockets=$sockets" -m "$((MEM / NODES * NODES))M"
	       -nodefaults -no-user-config -display none -no-reboot
	       -kernel "$kernel/vmlinuz" -initrd "$run/image"
	       -append "$(kernel_args)" -serial "file:$run/console")
	if ((COUNT)); then
		args+=(-accel tcg,thread=single -icount shift=0,sleep=off)
	else
		args+=(-accel tcg,thread=multi)
	fi
	if ((INTERACTIVE)); then
		args+=(-chardev stdio,id=tty,mux=on,signal=off
		       -serial chardev:tty -mon chardev=tty)
	else
		args+=(-serial "file:$run/stdout")
	fi
	args+=(-serial "file:$run/stderr")
	if ((INTERACTIVE)); then
		qemu-system-x86_64 "${args[@]}" <&3 2>"$run/emulator" &
	else
		qemu-system-x86_64 "${args[@]}" </dev/null \
			>"$run/emulator" 2>&1 &
	fi
	EMULATOR=$!
}

#
# Bochs
#

bochs_cpu()
{
	case $CPU in
	intel)		echo corei7_skylake_x ;;
	amd-nrips)	echo ryzen ;;
	no-npt)		echo turion64_tyler ;;
	esac
}

bochs_config()
{
	local run=$1 bochs=$2 i port

	cat <<END
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1
display_library: nogui
memory: guest=$MEM, host=$MEM
romimage: file=$bochs/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$bochs/usr/share/vgabios/vgabios.bin
cpu: model=$(bochs_cpu), count=$SMP, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0=1700000000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$run/iso, status=inserted
boot: cdrom
log: $run/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
pci: enabled=1, chipset=i440fx
END
	((TRACE)) && echo "magic_break: enabled=1"
	i=0
	for port in console stdout stderr; do
		i=$((i + 1))
		echo "com$i: enabled=1, mode=file, dev=$run/$port"
	done
	: >"$run/bochs.log"
}

# A CD that GRUB boots from: its core holds all it needs.
make_iso()
{
	local run=$1 kernel=$2 tree=$1/tree

	mkdir -p "$tree/boot/grub"
	cat >"$run/grub.cfg" <<END
linux /vmlinuz $(kernel_args)
initrd /image
boot
END
	grub-mkimage -O i386-pc-eltorito -p /boot/grub -c "$run/grub.cfg" \
		-o "$tree/core.img" linux iso9660 biosdisk &&
	cp "$kernel/vmlinuz" "$tree/" &&
	lz4 -q -l -1 "$run/image" "$tree/image" &&
	xorriso -as mkisofs -quiet -R -no-emul-boot -boot-load-size 4 \
		-boot-info-table -b core.img -o "$run/iso" "$tree" \
		>"$run/emulator" 2>&1 ||
		die "cannot make the boot CD: $(cat "$run/emulator")"
	rm -r "$tree"
}

# It stops at the start, and at each XCHG BX, BX.
debugger_commands()
{
	local i

	for ((i = 0; i < 200; i++)); do
		printf '%s\n' c "trace on" c "trace off"
	done
}

start_bochs()
{
	local run=$1 kernel=$2 bochs commands=()

	if ((TRACE)); then
		bochs=$(provide_bochs_debugger)
	elif [[ ${LODGE_BOCHS-} == mended ]]; then
		bochs=$(provide_bochs_mended)
	else
		bochs=$(provide_bochs)
	fi || exit 125
	make_iso "$run" "$kernel"
	bochs_config "$run" "$bochs" >"$run/bochsrc"
	if ((TRACE)); then
		debugger_commands >"$run/commands"
		commands=(-dbg -rc "$run/commands")
	fi
	"$bochs/bochs" -q -f "$run/bochsrc" "${commands[@]}" \
		</dev/null >"$run/emulator" 2>&1 &
	EMULATOR=$!
}
