// SPDX-License-Identifier: Apache-2.0
//
// A client that measures times. The kernel throws bodies away (recv with MSG_TRUNC copies
// no byte); the status and the length of each answer are checked.
//
//   timed HOST PORT crowd CLIENTS PATH...  each client asks for every path, in turn, on
//                                          one connection
//   timed HOST PORT apart PATH...          a client for each path, all at once
//   timed HOST PORT paced MICROSECONDS PATH
//                                          one connection and a request at each tick of a
//                                          clock, until stdin ends
//
// Prints a line "nanoseconds-to-first-byte nanoseconds-to-last-byte bytes" for each client
// (first byte of the client's first answer, last byte and bytes of all its answers), or for each
// tick. Times start before the connection is opened, or at the tick. A late answer also delays
// the next requests, whose wait counts. The program exits with 1 if anything failed.

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct client {
  pthread_t thread;
  char** paths;
  int path_count;
  uint64_t first_ns, last_ns, bytes;
  const char* failure;  // NULL when all is well
  int error;
};

static const char* host;
static struct sockaddr_in server;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_connection(void) {
  const int on = 1;
  const struct timeval patience = {.tv_sec = 120};
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr*)&server, sizeof server) == 0) return fd;
  close(fd);
  return -1;
}

// Sends one request and reads its whole answer. Returns the step that failed, or NULL. Sets
// `first_ns` to the arrival of the head's first byte.
static const char* ask(int fd, const char* path, uint64_t* first_ns, uint64_t* bytes) {
  char buffer[8192];
  const int request_bytes =
      snprintf(buffer, sizeof buffer, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n", path, host,
               ntohs(server.sin_port));
  if (send(fd, buffer, (size_t)request_bytes, MSG_NOSIGNAL) != request_bytes)
    return "a request could not be sent";
  size_t have = 0;
  char* blank = NULL;
  while (!blank) {
    const ssize_t got = recv(fd, buffer + have, sizeof buffer - 1 - have, 0);
    if (got <= 0) return "no whole head";
    if (have == 0) *first_ns = now_ns();
    have += (size_t)got;
    buffer[have] = '\0';
    blank = strstr(buffer, "\r\n\r\n");
  }
  const char* length = strcasestr(buffer, "\r\nContent-Length:");
  if (strncmp(buffer, "HTTP/1.1 200 ", 13) != 0 || !length) return "not a 200 with a length";
  const uint64_t body = strtoull(length + 17, NULL, 10);
  *bytes += body;
  for (uint64_t left = body - (have - (size_t)(blank + 4 - buffer)); left > 0;) {
    const ssize_t got = recv(fd, NULL, left < (1 << 20) ? left : 1 << 20, MSG_TRUNC);
    if (got <= 0) return "a body cut short";
    left -= (uint64_t)got;
  }
  return NULL;
}

static void* pull(void* argument) {
  struct client* c = argument;
  const uint64_t began = now_ns();
  const int fd = open_connection();
  c->failure = fd < 0 ? "no connection" : NULL;
  for (int i = 0; i < c->path_count && !c->failure; ++i) {
    uint64_t first;
    c->failure = ask(fd, c->paths[i], &first, &c->bytes);
    if (i == 0) c->first_ns = first - began;
  }
  c->error = errno;
  c->last_ns = now_ns() - began;
  if (fd >= 0) close(fd);
  return NULL;
}

static int pull_all(struct client* clients, int count) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  for (int i = 0; i < count; ++i)
    if (pthread_create(&clients[i].thread, &small, pull, &clients[i]) != 0) abort();
  int failures = 0;
  for (int i = 0; i < count; ++i) {
    const struct client* c = &clients[i];
    pthread_join(c->thread, NULL);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", c->first_ns, c->last_ns, c->bytes);
    if (c->failure && failures++ == 0)
      fprintf(stderr, "timed: %s (%s)\n", c->failure, strerror(c->error));
  }
  return failures > 0;
}

static int pace(uint64_t every_ns, const char* path) {
  // Nobody reads the pipe before the end, and a full pipe would stop the clock.
  static char printed[8 << 20];
  setvbuf(stdout, printed, _IOFBF, sizeof printed);
  const int fd = open_connection();
  struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
  for (uint64_t tick = now_ns(); poll(&end, 1, 0) == 0; tick += every_ns) {
    const struct timespec at = {(time_t)(tick / 1000000000u), (long)(tick % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) continue;
    uint64_t first = 0, bytes = 0;
    const char* failure = fd < 0 ? "no connection" : ask(fd, path, &first, &bytes);
    if (failure) {
      fprintf(stderr, "timed: %s (%s)\n", failure, strerror(errno));
      return 1;
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", first - tick, now_ns() - tick, bytes);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  host = argv[1];
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)atoi(argv[2]));
  if (inet_pton(AF_INET, host, &server.sin_addr) != 1) return 2;
  const int crowd = strcmp(argv[3], "crowd") == 0;
  if (strcmp(argv[3], "paced") == 0) {
    return argc == 6 ? pace(strtoull(argv[4], NULL, 10) * 1000, argv[5]) : 2;
  }
  if (!crowd && strcmp(argv[3], "apart") != 0) return 2;
  const int count = crowd ? atoi(argv[4]) : argc - 4;
  struct client* clients = calloc((size_t)count, sizeof *clients);
  if (!clients) return 1;
  for (int i = 0; i < count; ++i) {
    clients[i].paths = crowd ? argv + 5 : argv + 4 + i;
    clients[i].path_count = crowd ? argc - 5 : 1;
  }
  return pull_all(clients, count);
}
