/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands of lodge(1). Each returns the program's exit status. */
#ifndef _LAUNCHER_COMMANDS_H
#define _LAUNCHER_COMMANDS_H

#define STATUS_OK		0
#define STATUS_TIMEOUT		124
#define STATUS_ERROR		125
#define STATUS_DIED		126
#define STATUS_PANIC		255

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_list(int argc, char **argv);
int command_info(int argc, char **argv);
int command_stat(int argc, char **argv);
int command_trace(int argc, char **argv);
int command_balloon(int argc, char **argv);

#endif /* _LAUNCHER_COMMANDS_H */
