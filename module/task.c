// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware task switches (SDM volume 3, 7.3; APM volume 2, 12.3).
 */
#include "lodge.h"

/**
 * lodge_task_switch() - do the task switch that vcpu->exit describes
 * @vcpu: loaded vCPU; ring 2
 */
enum lodge_next lodge_task_switch(struct lodge_vcpu *vcpu)
{
	return lodge_user_internal(vcpu, LODGE_INTERNAL_TASK_SWITCH,
				   lodge_reg_read(vcpu, LODGE_RIP), 0);
}
