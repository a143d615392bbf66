// SPDX-License-Identifier: Apache-2.0
//
// The loop over libevent: epoll for descriptors, libevent's heap for timers, and an
// eventfd that post() writes to. C callbacks are noexcept trampolines: a cast and one call.
//
// Invariants: a callback is never empty. A one-shot timer runs its callback once. An
// alarm's libevent timer is pending exactly while fires_at_ has a value.

#include "layby/event/loop.h"

#include <event2/event_struct.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "event/libevent_memory.h"
#include "event/libevent_ptr.h"
#include "layby/base/fd.h"

namespace layby::event {
namespace {

// Reading and writing are two libevent events, so that each can change alone. The event for
// writing exists only while the handler wants to write, because most connections only wait for
// bytes to read.
class EventIoWatch final : public IoWatch {
 public:
  EventIoWatch(event_base* base, int fd, IoHandler& handler) : handler_(handler) {
    assert(fd >= 0);
    event_assign(&read_, base, fd, EV_READ | EV_PERSIST, on_event, this);
  }
  ~EventIoWatch() override { event_del(&read_); }

  EventIoWatch(const EventIoWatch&) = delete;
  EventIoWatch& operator=(const EventIoWatch&) = delete;

  void want(bool readable, bool writable) override {
    want_readable(readable);
    want_writable(writable);
  }

 private:
  void want_readable(bool wanted) {
    if (reading_ == wanted) return;
    reading_ = wanted;
    if (wanted) {
      event_add(&read_, nullptr);
    } else {
      event_del(&read_);
    }
  }

  void want_writable(bool wanted) {
    if ((write_ != nullptr) == wanted) return;
    if (!wanted) return write_.reset();
    write_.reset(event_new(event_get_base(&read_), event_get_fd(&read_), EV_WRITE | EV_PERSIST,
                           on_event, this));
    event_add(write_.get(), nullptr);
  }

  static void on_event(evutil_socket_t, short what, void* self) noexcept {
    static_cast<EventIoWatch*>(self)->handler_.on_io((what & EV_READ) != 0, (what & EV_WRITE) != 0);
  }

  IoHandler& handler_;
  ::event read_{};
  EventPtr write_;
  bool reading_ = false;
};

// A deadline moves with every request and is hardly ever reached. So a later deadline costs no work
// on libevent's heap: the timer fires early and is set again for the time that is left.
class EventAlarm final : public Alarm {
 public:
  EventAlarm(event_base* base, std::function<void()> on_alarm) : on_alarm_(std::move(on_alarm)) {
    assert(on_alarm_);
    event_assign(&timer_, base, -1, 0, on_event, this);
  }
  ~EventAlarm() override { event_del(&timer_); }

  EventAlarm(const EventAlarm&) = delete;
  EventAlarm& operator=(const EventAlarm&) = delete;

  void arm(std::chrono::milliseconds delay) override {
    deadline_ = coarse_now() + delay;
    if (!fires_at_ || *fires_at_ > *deadline_) set_timer(delay);
    assert(fires_at_.has_value());
  }
  void disarm() override { deadline_.reset(); }

 private:
  using Time = std::chrono::nanoseconds;

  // The time, exact to a few milliseconds (one kernel tick). The coarse clock is cheap.
  static Time coarse_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return std::chrono::seconds(now.tv_sec) + Time(now.tv_nsec);
  }

  void set_timer(std::chrono::milliseconds delay) {
    fires_at_ = coarse_now() + delay;
    const timeval wait = to_timeval(delay);
    event_add(&timer_, &wait);
  }

  void on_timer() {
    assert(fires_at_.has_value());
    fires_at_.reset();
    if (!deadline_) return;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - coarse_now());
    if (left.count() > 0) return set_timer(left);
    deadline_.reset();
    // The callback may destroy this alarm and with it on_alarm_, so a copy runs.
    const auto call = on_alarm_;
    call();
  }

  static void on_event(evutil_socket_t, short, void* self) noexcept {
    static_cast<EventAlarm*>(self)->on_timer();
  }

  const std::function<void()> on_alarm_;
  ::event timer_{};
  std::optional<Time> deadline_;  // None while the alarm is disarmed.
  std::optional<Time> fires_at_;  // None while the libevent timer isn't set.
};

class OneShot final : public Operation {
 public:
  OneShot(event_base* base, std::chrono::milliseconds delay, std::function<void()> then)
      : then_(std::move(then)), timer_(event_new(base, -1, 0, on_event, this)) {
    assert(then_);
    const timeval wait = to_timeval(delay);
    event_add(timer_.get(), &wait);
  }

 private:
  static void on_event(evutil_socket_t, short, void* self) noexcept {
    const auto call = std::exchange(static_cast<OneShot*>(self)->then_, nullptr);
    assert(call);
    call();  // May destroy this object.
  }

  std::function<void()> then_;
  EventPtr timer_;
};

class SignalWatch final : public Operation {
 public:
  SignalWatch(event_base* base, int number, std::function<void()> on_signal)
      : on_signal_(std::move(on_signal)),
        event_(event_new(base, number, EV_SIGNAL | EV_PERSIST, on_event, this)) {
    assert(on_signal_);
    event_add(event_.get(), nullptr);
  }

 private:
  static void on_event(evutil_socket_t, short, void* self) noexcept {
    static_cast<SignalWatch*>(self)->on_signal_();
  }

  std::function<void()> on_signal_;
  EventPtr event_;
};

}  // namespace

struct Loop::State {
  BasePtr base;
  UniqueFd wake_fd;
  EventPtr wake_event;
  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // Guarded by mutex.

  void wake() const {
    const std::uint64_t one = 1;
    // The write fails only when the eventfd's counter is at its maximum. The eventfd is then
    // readable anyway.
    [[maybe_unused]] const ssize_t n = ::write(wake_fd.get(), &one, sizeof one);
  }

  static void on_wake(evutil_socket_t fd, short, void* self) noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(fd, &count, sizeof count);
    static_cast<State*>(self)->run_posted();
  }

  void run_posted() {
    std::vector<std::function<void()>> calls;
    {
      const std::lock_guard lock(mutex);
      calls.swap(posted);
    }
    for (auto& call : calls) {
      call();
      call = nullptr;  // Frees the captures of `call` before the next call runs.
    }
  }
};

Result<std::unique_ptr<Loop>> Loop::create() {
  keep_small_memory_apart();
  auto state = std::make_unique<State>();
  state->base.reset(event_base_new());
  if (!state->base) return Error{ErrorCode::kIo, "the kernel gave no event queue"};
  state->wake_fd.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state->wake_fd) return errno_error("eventfd", errno);
  state->wake_event.reset(event_new(state->base.get(), state->wake_fd.get(), EV_READ | EV_PERSIST,
                                    State::on_wake, state.get()));
  event_add(state->wake_event.get(), nullptr);
  return std::unique_ptr<Loop>(new Loop(std::move(state)));
}

Loop::Loop(std::unique_ptr<State> state) : state_(std::move(state)) {}

Loop::~Loop() {
  // Dropped calls may own operations, whose timers must be destroyed before the base.
  const std::vector<std::function<void()>> dropped = std::move(state_->posted);
}

void Loop::run() { event_base_dispatch(state_->base.get()); }

void Loop::stop() { event_base_loopbreak(state_->base.get()); }

std::unique_ptr<IoWatch> Loop::watch(int fd, IoHandler& handler) {
  return std::make_unique<EventIoWatch>(state_->base.get(), fd, handler);
}

std::unique_ptr<Alarm> Loop::alarm(std::function<void()> on_alarm) {
  return std::make_unique<EventAlarm>(state_->base.get(), std::move(on_alarm));
}

Handle Loop::on_signal(int signal_number, std::function<void()> on_signal) {
  return std::make_unique<SignalWatch>(state_->base.get(), signal_number, std::move(on_signal));
}

Handle Loop::after(std::chrono::milliseconds delay, std::function<void()> then) {
  return std::make_unique<OneShot>(state_->base.get(), delay, std::move(then));
}

void Loop::defer(std::function<void()> then) { post(std::move(then)); }

void Loop::post(std::function<void()> call) {
  assert(call);
  bool first = false;
  {
    const std::lock_guard lock(state_->mutex);
    first = state_->posted.empty();
    state_->posted.push_back(std::move(call));
  }
  if (first) state_->wake();
}

}  // namespace layby::event
