// SPDX-License-Identifier: Apache-2.0
//
// A client that costs next to nothing, so that what a benchmark sees is the server.
// Holds N connections to one address on one epoll loop and asks each for the same
// path; bodies are thrown away inside the kernel (recv with MSG_TRUNC copies no byte).
// Checks the status and the length of each answer and nothing else.
//
//   sink PORT PATH CONNECTIONS MODE [ANSWERS]
//
//   keep   the next request as soon as an answer is whole
//   close  a connection per request; waits for the server to end it
//   idle   one request per connection, then nothing
//   slow   reads the body at 10 KiB/s
//
// For each line on stdin, and at its end, prints
// "nanoseconds body-bytes answers heads failures" counted since the start. Ends when
// stdin does, or after ANSWERS answers.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum mode { kKeep, kClose, kIdle, kSlow };

struct connection {
  int fd;  // -1 when it failed
  int in_body;
  size_t head_bytes;
  uint64_t body_left;
  char head[8192];
};

static const uint64_t kTickNs = 100 * 1000 * 1000;
static const size_t kSlowBytes = 1024;  // per tick
static const size_t kTakeBytes = 1 << 20;

static enum mode mode;
static struct sockaddr_in server;
static char request[2048];
static size_t request_bytes;
static int loop;
static uint64_t started, body_bytes, answers, heads, failures;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report(void) {
  printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", now_ns() - started,
         body_bytes, answers, heads, failures);
  fflush(stdout);
}

static void fail(struct connection* c, const char* why) {
  if (failures++ == 0) fprintf(stderr, "sink: %s (%s)\n", why, strerror(errno));
  close(c->fd);
  c->fd = -1;
}

static void ask(struct connection* c) {
  c->in_body = 0;
  c->head_bytes = 0;
  if (send(c->fd, request, request_bytes, MSG_NOSIGNAL) != (ssize_t)request_bytes)
    fail(c, "a request could not be sent");
}

static void open_connection(struct connection* c) {
  const int on = 1;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr*)&server, sizeof server) != 0) {
    fail(c, "no connection");
    return;
  }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event);
  ask(c);
}

static void on_answer(struct connection* c) {
  ++answers;
  c->in_body = 0;
  c->head_bytes = 0;
  if (mode == kKeep) ask(c);
}

static void on_body(struct connection* c, size_t bytes) {
  if (bytes > c->body_left) {
    fail(c, "more bytes than Content-Length says");
    return;
  }
  body_bytes += bytes;
  c->body_left -= bytes;
  if (c->body_left == 0) on_answer(c);
}

// The head is whole: `end` bytes of it, and the start of the body behind it.
static void on_head(struct connection* c, size_t end) {
  const char* length = strcasestr(c->head, "\r\nContent-Length:");
  if (strncmp(c->head, "HTTP/1.1 200 ", 13) != 0 || !length) {
    fail(c, "not a 200 with a length");
    return;
  }
  ++heads;
  c->in_body = 1;
  c->body_left = strtoull(length + 17, NULL, 10);
  if (mode == kSlow) epoll_ctl(loop, EPOLL_CTL_DEL, c->fd, NULL);
  on_body(c, c->head_bytes - end);
}

static void on_end(struct connection* c) {
  if (mode != kClose || c->in_body || c->head_bytes > 0) {
    fail(c, "closed by the server");
    return;
  }
  close(c->fd);
  open_connection(c);
}

static void on_readable(struct connection* c, size_t at_most) {
  ssize_t got;
  if (c->in_body) {
    const size_t want = c->body_left < at_most ? c->body_left : at_most;
    got = recv(c->fd, NULL, want, MSG_TRUNC);
  } else {
    got = recv(c->fd, c->head + c->head_bytes, sizeof c->head - 1 - c->head_bytes, 0);
  }
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) fail(c, "cannot read");
    return;
  }
  if (got == 0) {
    on_end(c);
    return;
  }
  if (c->in_body) {
    on_body(c, (size_t)got);
    return;
  }
  c->head_bytes += (size_t)got;
  c->head[c->head_bytes] = '\0';
  const char* blank = strstr(c->head, "\r\n\r\n");
  if (blank) on_head(c, (size_t)(blank - c->head) + 4);
}

static void read_slowly(struct connection* all, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (all[i].fd >= 0 && all[i].in_body) on_readable(&all[i], kSlowBytes);
}

static enum mode mode_named(const char* name) {
  static const char* const names[] = {"keep", "close", "idle", "slow"};
  for (int i = 0; i < 4; ++i)
    if (strcmp(name, names[i]) == 0) return (enum mode)i;
  fprintf(stderr, "sink: no mode %s\n", name);
  exit(2);
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)atoi(argv[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  mode = mode_named(argv[4]);
  const uint64_t enough = argc > 5 ? strtoull(argv[5], NULL, 10) : UINT64_MAX;
  const size_t count = (size_t)atoi(argv[3]);
  request_bytes =
      (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s\r\n",
                       argv[2], argv[1], mode == kClose ? "Connection: close\r\n" : "");
  struct connection* all = calloc(count, sizeof *all);
  loop = epoll_create1(0);
  struct epoll_event line = {.events = EPOLLIN, .data.ptr = NULL};
  if (!all || loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, STDIN_FILENO, &line) != 0) return 1;

  started = now_ns();
  for (size_t i = 0; i < count; ++i) open_connection(&all[i]);
  uint64_t next_tick = started + kTickNs;
  while (answers < enough) {
    struct epoll_event events[64];
    const int ready = epoll_wait(loop, events, 64, mode == kSlow ? 20 : -1);
    for (int i = 0; i < ready; ++i) {
      struct connection* c = events[i].data.ptr;
      if (c) {
        if (c->fd >= 0) on_readable(c, kTakeBytes);
        continue;
      }
      char byte;
      if (read(STDIN_FILENO, &byte, 1) != 1) return failures != 0;
      report();
    }
    if (mode == kSlow && now_ns() >= next_tick) {
      next_tick = now_ns() + kTickNs;
      read_slowly(all, count);
    }
    if (failures > 0 && enough != UINT64_MAX) break;
  }
  report();
  return failures != 0;
}
