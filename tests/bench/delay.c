// SPDX-License-Identifier: Apache-2.0
//
// Emulates a link between two TUN devices, for kernels without netem. Each direction loses LOSS
// of a million packets, chosen by a generator with a fixed seed. Each direction has a line of
// RATE bits a second, and a packet arrives DELAY microseconds after it left the line. With a
// FLOW_RATE above 0, each direction of each TCP connection also has a limit of its own, in front
// of the line. A packet waits for a limit, and for the line, in a queue with room for QUEUE
// microseconds of that rate. A packet that doesn't fit into its queue is dropped. The program
// ends at the end of stdin, and prints for each direction a line with the numbers of forwarded
// packets, forwarded bytes, dropped packets and lost packets.
//
//   delay FD FD RATE DELAY QUEUE LOSS FLOW_RATE

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

enum { kPackets = 1 << 15, kPacketBytes = 2048, kFlows = 1024, kSecond = 1000000000 };

struct packet {
  struct packet* next;
  uint64_t due_ns;  // when the packet's last bit leaves its queue
  size_t bytes;
  char data[kPacketBytes];
};

// Packets in the order of their times.
struct fifo {
  struct packet *first, *last;
};

// A queue whose packets leave at a rate.
struct shaper {
  struct fifo waiting;
  uint64_t waiting_bytes, free_at_ns;
};

// The addresses and ports of a packet: the bytes 12 to 23 of IPv4 without options and TCP.
struct flow_key {
  char bytes[12];
};

struct flow {
  struct flow_key key;
  struct shaper limit;
};

// One direction of the link. A packet goes from a spare place through its flow's limit, the line
// and the air. A flow without packets whose limit is free has no state, so the flow is forgotten.
struct direction {
  int from, to;
  uint64_t random;
  struct packet* spare;
  struct flow flows[kFlows];
  int flow_count;
  struct shaper line;
  struct fifo air;
  uint64_t packets, bytes, dropped, lost;
};

static uint64_t rate, delay_ns, queue_us, loss, flow_rate;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * kSecond + (uint64_t)t.tv_nsec;
}

static void push(struct fifo* f, struct packet* p) {
  p->next = NULL;
  if (f->first)
    f->last->next = p;
  else
    f->first = p;
  f->last = p;
}

static struct packet* pop(struct fifo* f) {
  struct packet* p = f->first;
  f->first = p->next;
  return p;
}

static int is_due(const struct fifo* f, uint64_t at_ns) {
  return f->first && f->first->due_ns <= at_ns;
}

// Adds a packet that came at `at_ns`. Returns 0 if the queue is full.
static int join(struct shaper* s, uint64_t bits_per_second, struct packet* p, uint64_t at_ns) {
  if (s->waiting_bytes + p->bytes > bits_per_second / 8 * queue_us / 1000000) return 0;
  if (s->free_at_ns < at_ns) s->free_at_ns = at_ns;
  s->free_at_ns += p->bytes * 8 * kSecond / bits_per_second;
  p->due_ns = s->free_at_ns;
  s->waiting_bytes += p->bytes;
  push(&s->waiting, p);
  return 1;
}

static struct packet* leave(struct shaper* s) {
  struct packet* p = pop(&s->waiting);
  s->waiting_bytes -= p->bytes;
  return p;
}

static void give_back(struct direction* d, struct packet* p) {
  p->next = d->spare;
  d->spare = p;
}

// SplitMix64, whose numbers depend only on the seed.
static uint64_t next_random(uint64_t* state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Returns the flow of a packet, or NULL if there are too many flows.
static struct flow* flow_of(struct direction* d, const struct packet* p, uint64_t now) {
  struct flow_key key = {{0}};
  if (p->bytes >= 12 + sizeof key) memcpy(&key, p->data + 12, sizeof key);
  for (int i = 0; i < d->flow_count;) {
    struct flow* f = &d->flows[i];
    if (memcmp(&f->key, &key, sizeof key) == 0) return f;
    if (!f->limit.waiting.first && f->limit.free_at_ns <= now)
      *f = d->flows[--d->flow_count];
    else
      ++i;
  }
  if (d->flow_count == kFlows) return NULL;
  struct flow* made = &d->flows[d->flow_count++];
  *made = (struct flow){.key = key};
  return made;
}

// The flow whose packet is the next to join the line, or NULL.
static struct flow* next_flow(struct direction* d) {
  struct flow* next = NULL;
  for (int i = 0; i < d->flow_count; ++i) {
    struct flow* f = &d->flows[i];
    if (f->limit.waiting.first &&
        (!next || f->limit.waiting.first->due_ns < next->limit.waiting.first->due_ns))
      next = f;
  }
  return next;
}

static void empty_line(struct direction* d, uint64_t until_ns) {
  while (is_due(&d->line.waiting, until_ns)) {
    struct packet* p = leave(&d->line);
    p->due_ns += delay_ns;
    push(&d->air, p);
  }
}

static void join_line(struct direction* d, struct packet* p, uint64_t at_ns) {
  empty_line(d, at_ns);
  if (join(&d->line, rate, p, at_ns)) return;
  ++d->dropped;
  give_back(d, p);
}

static void join_flow(struct direction* d, struct packet* p, uint64_t now) {
  struct flow* f = flow_of(d, p, now);
  if (f && join(&f->limit, flow_rate, p, now)) return;
  ++d->dropped;
  give_back(d, p);
}

// Moves the packets whose time has come up to the air.
static void advance(struct direction* d, uint64_t now) {
  for (struct flow* f = next_flow(d); f && is_due(&f->limit.waiting, now); f = next_flow(d)) {
    struct packet* p = leave(&f->limit);
    join_line(d, p, p->due_ns);
  }
  empty_line(d, now);
}

static void take_in(struct direction* d) {
  for (;;) {
    static char thrown_away[kPacketBytes];
    struct packet* p = d->spare;
    const ssize_t got = read(d->from, p ? p->data : thrown_away, kPacketBytes);
    if (got <= 0) return;
    if (next_random(&d->random) % 1000000 < loss) {
      ++d->lost;
    } else if (!p) {
      ++d->dropped;
    } else {
      d->spare = p->next;
      p->bytes = (size_t)got;
      const uint64_t now = now_ns();
      advance(d, now);
      if (flow_rate)
        join_flow(d, p, now);
      else
        join_line(d, p, now);
    }
  }
}

// Delivers the packets that are due. Returns the time of the next event, or UINT64_MAX.
static uint64_t move_on(struct direction* d) {
  const uint64_t now = now_ns();
  advance(d, now);
  while (is_due(&d->air, now)) {
    struct packet* p = pop(&d->air);
    if (write(d->to, p->data, p->bytes) == (ssize_t)p->bytes) {
      ++d->packets;
      d->bytes += p->bytes;
    } else {
      ++d->dropped;
    }
    give_back(d, p);
  }
  uint64_t next = UINT64_MAX;
  if (d->air.first)
    next = d->air.first->due_ns;
  else if (d->line.waiting.first)
    next = d->line.waiting.first->due_ns + delay_ns;
  const struct flow* f = next_flow(d);
  if (f && f->limit.waiting.first->due_ns < next) next = f->limit.waiting.first->due_ns;
  return next;
}

static struct direction* open_direction(int from, int to, uint64_t seed) {
  struct direction* d = calloc(1, sizeof *d);
  struct packet* all = calloc(kPackets, sizeof *all);
  if (!d || !all || fcntl(from, F_SETFL, O_NONBLOCK) != 0) return NULL;
  d->from = from;
  d->to = to;
  d->random = seed;
  for (int i = kPackets - 1; i >= 0; --i) give_back(d, &all[i]);
  return d;
}

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  const int devices[2] = {atoi(argv[1]), atoi(argv[2])};
  rate = strtoull(argv[3], NULL, 10);
  delay_ns = strtoull(argv[4], NULL, 10) * 1000;
  queue_us = strtoull(argv[5], NULL, 10);
  loss = strtoull(argv[6], NULL, 10);
  flow_rate = strtoull(argv[7], NULL, 10);
  // A real link doesn't wait for a processor. Without the right to set a priority, delay may wait.
  const struct sched_param first = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &first);
  prctl(PR_SET_TIMERSLACK, 1);
  struct direction* directions[2];
  for (int i = 0; i < 2; ++i) {
    directions[i] = open_direction(devices[i], devices[1 - i], (uint64_t)i + 1);
    if (!directions[i]) return 1;
  }
  struct pollfd polled[3] = {{.fd = devices[0], .events = POLLIN},
                             {.fd = devices[1], .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
  while (polled[2].revents == 0) {
    uint64_t next = UINT64_MAX;
    for (int i = 0; i < 2; ++i) {
      take_in(directions[i]);
      const uint64_t due = move_on(directions[i]);
      if (due < next) next = due;
    }
    const uint64_t now = now_ns();
    const uint64_t wait = next > now ? next - now : 0;
    const struct timespec time = {(time_t)(wait / kSecond), (long)(wait % kSecond)};
    if (ppoll(polled, 3, next == UINT64_MAX ? NULL : &time, NULL) < 0 && errno != EINTR) return 1;
  }
  for (int i = 0; i < 2; ++i)
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", directions[i]->packets,
           directions[i]->bytes, directions[i]->dropped, directions[i]->lost);
  return 0;
}
