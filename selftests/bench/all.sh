#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The whole benchmark: operations, what they execute that is costly, boots.

cd "$(dirname "$0")" || exit 1
status=0
./run.sh || status=1
for cpu in intel amd-nrips; do
	./trace.sh "$cpu" || status=1
done
./boot.sh || status=1
exit "$status"
