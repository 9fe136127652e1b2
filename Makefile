# SPDX-License-Identifier: GPL-2.0-only
# `make help' lists the targets.

MAKEFLAGS += --no-print-directory
# Our O is not Kbuild's.
MAKEOVERRIDES :=

KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build \
	$(lastword $(sort $(wildcard /usr/src/linux-headers-*-amd64)))))
O ?= build/default
PREFIX ?= /usr/local
DESTDIR ?=

# Kbuild leaves its objects beside the sources, so it gets a copy of them.
SOURCES := $(wildcard module ept vmx svm virtio uapi) Kbuild VERSION

all: module launcher

help:
	@echo 'Targets:'
	@echo '  all            the module for KDIR, in O, and the launcher (default)'
	@echo '  install        both, for this kernel; the launcher goes to PREFIX'
	@echo '  demo           boot a Linux guest to its shell; needs no VT-x or AMD-V'
	@echo '  check          every test; installs the packages it lacks, as root'
	@echo '  check-amd      the tests in emulated AMD hosts'
	@echo '  check-intel    the tests in an emulated Intel host'
	@echo '  check-debug    the tests of /dev/lodge, fuzzers and failures on the debug kernel'
	@echo '  check-host     the tests that need no emulator'
	@echo '  bench          what an exit costs, beside KVM: an hour'
	@echo '  bench-virtio   what a disk and a network cost, beside QEMU: minutes'
	@echo '  coverage       which lines of the pure logic the tests execute'
	@echo '  matrix         build the module for every kernel it is made for'
	@echo '  soak           the long forms of the tests: hours'
	@echo '  kunit          the KUnit suites, on both vendors'
	@echo '  deb            the Debian packages, in the parent folder'
	@echo '  lint           style, sparse, static analysis, shellcheck, spelling, lengths'
	@echo '  selftests      the test programs, in build/selftests'
	@echo '  clean          remove what was built'
	@echo 'Variables: KDIR ($(KDIR)), O ($(O)), PREFIX ($(PREFIX)), DESTDIR'
	@echo 'One suite: selftests/run NAME; selftests/run --list names them.'

module:
	@test -d "$(KDIR)" || { echo "no kernel headers: set KDIR, or install \
	linux-headers-amd64" >&2; exit 1; }
	@mkdir -p $(O)/src
	@cp -ru $(SOURCES) $(O)/src/
	@cd $(O)/src && find $(filter-out Kbuild VERSION,$(SOURCES)) -type f \
		-name '*.[chS]' | while read -r f; do \
		test -e "$(CURDIR)/$$f" || rm -f "$$f" "$${f%.?}.o"; done
	@if ! grep -qsx "$(KDIR)" $(O)/kdir; then \
		find $(O)/src \( -name '*.o' -o -name '.*.cmd' \) -delete; \
		echo "$(KDIR)" >$(O)/kdir; fi
	$(MAKE) -j$(shell nproc) -C $(KDIR) M=$(abspath $(O))/src LODGE_KUNIT=$(LODGE_KUNIT) \
		$(if $(W),W=$(W)) $(if $(C),C=$(C)) modules
	@strip --strip-debug -o $(O)/lodge.ko $(O)/src/lodge.ko

kunit-module:
	@$(MAKE) module O=build/kunit LODGE_KUNIT=1 \
		KDIR=$$(selftests/lab/provide kdir-test)

lab-modules:
	@$(MAKE) module O=build/stock KDIR=$$(selftests/lab/provide kdir-stock)
	@$(MAKE) module O=build/test KDIR=$$(selftests/lab/provide kdir-test)

debug-module:
	@$(MAKE) module O=build/debug KDIR=$$(selftests/lab/provide kdir-debug)

launcher:
	@$(MAKE) -C userspace

selftests:
	@$(MAKE) -C selftests/kselftest O=$(abspath build/selftests)
	@$(MAKE) -C selftests/bare O=$(abspath build/selftests)
	@$(MAKE) -C selftests/bench O=$(abspath build/selftests)

install: all
	$(MAKE) -C $(KDIR) M=$(abspath $(O))/src modules_install
	install -D -m 755 userspace/lodge $(DESTDIR)$(PREFIX)/bin/lodge

packages:
	@selftests/packages

demo: packages
	@selftests/demo

prepare: packages
	@$(MAKE) lab-modules kunit-module launcher selftests

check: prepare
	@selftests/run

bench: prepare
	@selftests/bench/all.sh

bench-virtio: prepare
	@selftests/bench/virtio.sh

matrix: packages
	@selftests/matrix.sh

coverage: packages
	@selftests/coverage.sh

soak: prepare debug-module
	@selftests/soak

kunit: packages
	@$(MAKE) kunit-module
	@selftests/run kunit-amd kunit-intel

check-amd: prepare
	@selftests/run kunit-amd kselftest-amd guests-amd bare-amd \
		kselftest-amd-nrips guests-amd-nrips refuse

check-intel: prepare
	@selftests/run kunit-intel kselftest-intel guests-intel bare-intel

check-debug: prepare debug-module
	@selftests/run debug-kselftest debug-guests debug-fuzz

check-host: packages
	@$(MAKE) launcher
	@selftests/run userspace lab

lint: packages
	@selftests/lint.sh

deb:
	dpkg-buildpackage -us -uc -b

clean:
	rm -rf build
	@$(MAKE) -C userspace clean

.PHONY: all help module kunit-module lab-modules debug-module check-debug launcher selftests install \
	packages demo prepare check bench bench-virtio coverage soak kunit check-amd check-intel check-host lint deb clean
