// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream vsock|unix connect|listen WHERE [PORT]: standard input goes to the
 * stream, what comes from it to standard output. WHERE is a port of the host's
 * (vsock connect) or ours (vsock listen), or a path; with PORT the connection
 * begins with the greeting that leads to that port of a guest.
 */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_stream(const char *family, const char *how, const char *where)
{
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK, .svm_port = atoi(where) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int vsock = !strcmp(family, "vsock"), to = !strcmp(how, "connect"), fd;
	struct sockaddr *addr = vsock ? (void *)&vm : (void *)&un;
	socklen_t bytes = vsock ? sizeof(vm) : sizeof(un);

	vm.svm_cid = to ? VMADDR_CID_HOST : VMADDR_CID_ANY;
	strncpy(un.sun_path, where, sizeof(un.sun_path) - 1);
	fd = socket(addr->sa_family, SOCK_STREAM, 0);
	if (fd < 0)
		fail("socket");
	if (to)
		return connect(fd, addr, bytes) ? fail("connect") : fd;
	if (bind(fd, addr, bytes) || listen(fd, 1))
		fail("listen");
	fd = accept(fd, NULL, NULL);
	return fd < 0 ? fail("accept") : fd;
}

static void greet(int fd, const char *port)
{
	char c;

	if (dprintf(fd, "CONNECT %s\n", port) < 0)
		fail("greeting");
	do {
		if (read(fd, &c, 1) != 1)
			fail("no answer to the greeting");
	} while (c != '\n');
}

static void copy(int from, int to)
{
	static char buffer[65536];
	ssize_t got, at, put;

	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		for (at = 0; at < got; at += put) {
			put = write(to, buffer + at, got - at);
			if (put <= 0)
				fail("write");
		}
	if (got < 0)
		fail("read");
}

int main(int argc, char **argv)
{
	pid_t writer;
	int fd, status;

	if (argc < 4)
		return 2;
	fd = open_stream(argv[1], argv[2], argv[3]);
	if (argc > 4)
		greet(fd, argv[4]);
	/* Two processes: whoever waits for room goes on reading. */
	writer = fork();
	if (writer < 0)
		fail("fork");
	if (!writer) {
		copy(0, fd);
		shutdown(fd, SHUT_WR);
		return 0;
	}
	copy(fd, 1);
	return waitpid(writer, &status, 0) != writer || status;
}
