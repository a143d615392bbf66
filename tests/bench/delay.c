// SPDX-License-Identifier: Apache-2.0
//
// Emulates a link between two TUN devices, for kernels without netem. Each direction has a
// line of RATE bits a second. A packet waits for the line in a queue of at most QUEUE bytes,
// and arrives DELAY microseconds after it left the line. A packet that doesn't fit into the
// queue is dropped. The program ends at the end of stdin, and prints for each direction a line
// with the numbers of forwarded packets, forwarded bytes and dropped packets.
//
//   delay FD FD RATE DELAY QUEUE

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { kSlots = 1 << 15, kPacketBytes = 2048 };

struct packet {
  uint64_t off_line_ns;  // when the packet's last bit leaves the line
  size_t bytes;
  char data[kPacketBytes];
};

// One direction of the link. Packets are in a ring, in the order of their times: the packets
// [next_out, next_off) have left the line, the packets [next_off, next_in) wait for the line.
struct line {
  int from, to;
  struct packet* ring;
  uint64_t next_out, next_off, next_in;
  uint64_t waiting_bytes, free_at_ns;
  uint64_t packets, bytes, dropped;
};

static uint64_t rate, delay_ns, queue_bytes;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct packet* slot(struct line* l, uint64_t number) { return &l->ring[number % kSlots]; }

static void take_in(struct line* l) {
  for (;;) {
    struct packet* p = slot(l, l->next_in);
    const int full = l->next_in - l->next_out == kSlots;
    static char thrown_away[kPacketBytes];
    const ssize_t got = read(l->from, full ? thrown_away : p->data, kPacketBytes);
    if (got <= 0) return;
    if (full || l->waiting_bytes + (uint64_t)got > queue_bytes) {
      ++l->dropped;
      continue;
    }
    const uint64_t now = now_ns();
    if (l->free_at_ns < now) l->free_at_ns = now;
    l->free_at_ns += (uint64_t)got * 8 * 1000000000u / rate;
    p->off_line_ns = l->free_at_ns;
    p->bytes = (size_t)got;
    l->waiting_bytes += p->bytes;
    ++l->next_in;
  }
}

// Delivers the packets that are due. Returns the time of the next packet, or UINT64_MAX.
static uint64_t move_on(struct line* l) {
  const uint64_t now = now_ns();
  for (; l->next_off < l->next_in && slot(l, l->next_off)->off_line_ns <= now; ++l->next_off)
    l->waiting_bytes -= slot(l, l->next_off)->bytes;
  for (; l->next_out < l->next_off; ++l->next_out) {
    const struct packet* p = slot(l, l->next_out);
    if (p->off_line_ns + delay_ns > now) break;
    if (write(l->to, p->data, p->bytes) == (ssize_t)p->bytes) {
      ++l->packets;
      l->bytes += p->bytes;
    } else {
      ++l->dropped;
    }
  }
  return l->next_out < l->next_in ? slot(l, l->next_out)->off_line_ns + delay_ns : UINT64_MAX;
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const int devices[2] = {atoi(argv[1]), atoi(argv[2])};
  rate = strtoull(argv[3], NULL, 10);
  delay_ns = strtoull(argv[4], NULL, 10) * 1000;
  queue_bytes = strtoull(argv[5], NULL, 10);
  // A real link doesn't wait for a processor. Without the right to set a priority, delay may wait.
  const struct sched_param first = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &first);
  prctl(PR_SET_TIMERSLACK, 1);
  struct line lines[2] = {{.from = devices[0], .to = devices[1]},
                          {.from = devices[1], .to = devices[0]}};
  for (int i = 0; i < 2; ++i) {
    lines[i].ring = calloc(kSlots, sizeof *lines[i].ring);
    if (!lines[i].ring || fcntl(devices[i], F_SETFL, O_NONBLOCK) != 0) return 1;
  }
  struct pollfd polled[3] = {{.fd = devices[0], .events = POLLIN},
                             {.fd = devices[1], .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
  while (polled[2].revents == 0) {
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < 2; ++i) {
      take_in(&lines[i]);
      const uint64_t due = move_on(&lines[i]);
      if (due < next) next = due;
    }
    const uint64_t now = now_ns();
    const uint64_t wait = next > now ? next - now : 0;
    const struct timespec time = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    if (ppoll(polled, 3, next == UINT64_MAX ? NULL : &time, NULL) < 0 && errno != EINTR) return 1;
  }
  for (int i = 0; i < 2; ++i)
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", lines[i].packets, lines[i].bytes,
           lines[i].dropped);
  return 0;
}
