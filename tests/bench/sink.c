// SPDX-License-Identifier: Apache-2.0
//
// A client that costs next to nothing, so that a benchmark measures the server. Holds N
// connections to one address on one epoll loop and requests the same path on each. Without
// TLS, the kernel throws bodies away (recv with MSG_TRUNC copies no byte). wrk copies and
// parses bodies, which takes a core that the server needs, so this client also measures
// small requests. Checks only the status and the length of each answer.
//
//   sink [tls|resume] PORT PATH CONNECTIONS MODE [ANSWERS]
//
//   keep   the next request as soon as an answer is complete
//   close  a connection per request; waits for the server to close it
//   idle   one request per connection, then nothing
//   slow   reads the body at 10 KiB/s
//
//   tls     TLS 1.3 with AES-128-GCM and X25519 only (Go's clients offer these first, and
//           all servers then compute the same), a full handshake per connection
//   resume  like tls, but a new connection resumes the session of the previous connection
//
// For each line on stdin, and after ANSWERS answers, the program prints
// "nanoseconds body-bytes answers heads failures resumed" counted since the start. For the
// line "times" it prints "shortest-nanoseconds:answers ..." for each bucket that is not empty.
// The program ends at the end of stdin, or after ANSWERS answers.
//
// The time of an answer runs from its request (in close mode from the connect) to its last
// byte. Buckets are log-linear, 64 to a power of two: 1.6% wide. The loop is closed: a
// waiting connection requests nothing, so a pause of the server shows once per connection,
// not once per request that would have come during the pause.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
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
  int fd;  // -1 after close
  SSL* tls;
  SSL_SESSION* session;  // the session to resume
  uint64_t asked_at;
  int in_body;
  size_t head_bytes;
  uint64_t body_left;
  char head[8192];
};

static const uint64_t kTickNs = 100 * 1000 * 1000;
static const size_t kSlowBytes = 1024;  // per tick
static const size_t kTakeBytes = 1 << 20;

// A registry serves a manifest only to clients that accept its media type.
static const char kAccept[] =
    "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json\r\n";

static enum mode mode;
static struct sockaddr_in server;
static char request[2048];
static size_t request_bytes;
static int loop;
static uint64_t started, body_bytes, answers, heads, failures, resumed;
static SSL_CTX* tls_context;
static int resumes;

// Bucket i < 64 counts times of i ns. For longer times, each power of two has 64 buckets.
enum { kSubBits = 6, kSub = 1 << kSubBits, kBuckets = (64 - kSubBits + 1) * kSub };
static uint64_t times[kBuckets];

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report(void) {
  printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
         now_ns() - started, body_bytes, answers, heads, failures, resumed);
  fflush(stdout);
}

static size_t bucket_of(uint64_t ns) {
  if (ns < kSub) return (size_t)ns;
  const int shift = 63 - __builtin_clzll(ns) - kSubBits;
  return ((size_t)shift << kSubBits) + (size_t)(ns >> shift);
}

static uint64_t lowest_of(size_t bucket) {
  if (bucket < kSub) return bucket;
  const size_t shift = (bucket >> kSubBits) - 1;
  return (uint64_t)(bucket - (shift << kSubBits)) << shift;
}

static void report_times(void) {
  for (size_t i = 0; i < kBuckets; ++i)
    if (times[i] > 0) printf("%" PRIu64 ":%" PRIu64 " ", lowest_of(i), times[i]);
  printf("\n");
  fflush(stdout);
}

static void close_connection(struct connection* c) {
  if (c->tls) {
    SSL_set_shutdown(c->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // keeps the session
    SSL_free(c->tls);
    c->tls = NULL;
  }
  close(c->fd);
  c->fd = -1;
}

static void fail(struct connection* c, const char* why) {
  if (failures++ == 0) fprintf(stderr, "sink: %s (%s)\n", why, strerror(errno));
  close_connection(c);
}

static void ask(struct connection* c) {
  c->in_body = 0;
  c->head_bytes = 0;
  if (mode != kClose) c->asked_at = now_ns();
  const ssize_t sent = c->tls ? SSL_write(c->tls, request, (int)request_bytes)
                              : send(c->fd, request, request_bytes, MSG_NOSIGNAL);
  if (sent != (ssize_t)request_bytes) fail(c, "a request could not be sent");
}

static void shake_hands(struct connection* c) {
  const int done = SSL_do_handshake(c->tls);
  if (done == 1) {
    resumed += (uint64_t)SSL_session_reused(c->tls);
    ask(c);
  } else if (SSL_get_error(c->tls, done) != SSL_ERROR_WANT_READ) {
    fail(c, "no handshake");
  }
}

static void start_tls(struct connection* c) {
  c->tls = SSL_new(tls_context);
  SSL_set_app_data(c->tls, c);
  SSL_set_fd(c->tls, c->fd);
  SSL_set_connect_state(c->tls);
  if (resumes && c->session) SSL_set_session(c->tls, c->session);
  shake_hands(c);
}

static int keep_session(SSL* tls, SSL_SESSION* session) {
  struct connection* c = SSL_get_app_data(tls);
  SSL_SESSION_free(c->session);
  c->session = session;
  return 1;
}

static void prepare_tls(void) {
  tls_context = SSL_CTX_new(TLS_client_method());
  if (!tls_context || !SSL_CTX_set_min_proto_version(tls_context, TLS1_3_VERSION) ||
      !SSL_CTX_set_ciphersuites(tls_context, "TLS_AES_128_GCM_SHA256") ||
      !SSL_CTX_set1_groups_list(tls_context, "X25519"))
    exit(1);
  SSL_CTX_set_session_cache_mode(tls_context,
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(tls_context, keep_session);
  SSL_CTX_set_read_ahead(tls_context, 1);
  SSL_CTX_set_default_read_buffer_len(tls_context, 256 * 1024);
}

static void open_connection(struct connection* c) {
  const int on = 1;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (mode == kClose) c->asked_at = now_ns();
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr*)&server, sizeof server) != 0) {
    fail(c, "no connection");
    return;
  }
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event);
  if (tls_context)
    start_tls(c);
  else
    ask(c);
}

static void on_answer(struct connection* c) {
  ++answers;
  ++times[bucket_of(now_ns() - c->asked_at)];
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

// Called when the head is complete: `end` bytes, followed by the start of the body.
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
  close_connection(c);
  open_connection(c);
}

// Returns like recv(): a number of bytes, 0 at the end, -1 with EAGAIN when no bytes have come.
// When `place` is null, the bytes are thrown away.
static ssize_t take(struct connection* c, char* place, size_t at_most) {
  static char thrown_away[1 << 16];
  if (!c->tls) return recv(c->fd, place, at_most, place ? 0 : MSG_TRUNC);
  if (!place && at_most > sizeof thrown_away) at_most = sizeof thrown_away;
  const int got = SSL_read(c->tls, place ? place : thrown_away, (int)at_most);
  if (got > 0) return got;
  const int why = SSL_get_error(c->tls, got);
  if (why == SSL_ERROR_ZERO_RETURN) return 0;
  errno = why == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
  return -1;
}

// Returns false when no bytes are left to read, or the connection is closed.
static int read_some(struct connection* c, size_t at_most) {
  ssize_t got;
  if (c->in_body) {
    got = take(c, NULL, c->body_left < at_most ? c->body_left : at_most);
  } else {
    got = take(c, c->head + c->head_bytes, sizeof c->head - 1 - c->head_bytes);
  }
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) fail(c, "cannot read");
    return 0;
  }
  if (got == 0) {
    on_end(c);
    return 0;
  }
  if (c->in_body) {
    on_body(c, (size_t)got);
    return c->fd >= 0;
  }
  c->head_bytes += (size_t)got;
  c->head[c->head_bytes] = '\0';
  const char* blank = strstr(c->head, "\r\n\r\n");
  if (blank) on_head(c, (size_t)(blank - c->head) + 4);
  return c->fd >= 0;
}

// One recv() without TLS. With TLS, reads until OpenSSL has no bytes left, because bytes that
// OpenSSL holds raise no event.
static void on_readable(struct connection* c, size_t at_most) {
  if (c->tls && !SSL_is_init_finished(c->tls)) {
    shake_hands(c);
    if (c->fd < 0 || !SSL_is_init_finished(c->tls)) return;
  }
  while (read_some(c, at_most) && c->tls && SSL_has_pending(c->tls)) {
  }
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

// Reads one byte of stdin and reports after a whole line; false at the end of stdin.
static int on_line(void) {
  static char first = '\n', byte;
  if (read(STDIN_FILENO, &byte, 1) != 1) return 0;
  if (byte != '\n') {
    if (first == '\n') first = byte;
    return 1;
  }
  if (first == 't')
    report_times();
  else
    report();
  first = '\n';
  return 1;
}

int main(int argc, char** argv) {
  if (argc > 1 && (strcmp(argv[1], "tls") == 0 || strcmp(argv[1], "resume") == 0)) {
    resumes = strcmp(argv[1], "resume") == 0;
    prepare_tls();
    --argc;
    ++argv;
  }
  if (argc < 5) return 2;
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)atoi(argv[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  mode = mode_named(argv[4]);
  const uint64_t enough = argc > 5 ? strtoull(argv[5], NULL, 10) : UINT64_MAX;
  const size_t count = (size_t)atoi(argv[3]);
  request_bytes =
      (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%s%s\r\n",
                       argv[2], argv[1], strstr(argv[2], "/manifests/") ? kAccept : "",
                       mode == kClose ? "Connection: close\r\n" : "");
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
      if (!c) {
        if (!on_line()) return failures != 0;
      } else if (c->fd >= 0) {
        on_readable(c, kTakeBytes);
      }
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
