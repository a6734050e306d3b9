/*
 * The sandbox container's only program: it does nothing, and so keeps a pod's namespaces alive.
 * As process 1 of a shared PID namespace it also has two duties: to reap the children that others leave
 * behind, and to leave when asked to.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char name[] = "pause (dockershim)";

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "-v") == 0) {
    puts(name);
    return 0;
  }
  if (getpid() != 1) fprintf(stderr, "%s: meant to be the first process of a container\n", name);

  /* Blocked signals wait for sigwait, also for process 1, which the kernel spares unhandled ones. */
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGCHLD);
  if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) {
    perror("pause: sigprocmask");
    return 1;
  }
  for (;;) {
    int received;
    if (sigwait(&signals, &received) != 0) continue;
    if (received != SIGCHLD) return 0;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
      /* One SIGCHLD may stand for several children. */
    }
  }
}
