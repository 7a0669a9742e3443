#include "net/task.h"

#include <sys/random.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <list>

namespace latchkey::net {

namespace asio = boost::asio;

struct TaskGroup::State {
  explicit State(Executor e) : executor(std::move(e)) {}
  Executor executor;
  std::list<std::shared_ptr<asio::cancellation_signal>> running;
  std::function<void()> ended;
};

TaskGroup::TaskGroup(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() {
  state_->ended = nullptr;
  cancel();
}

void TaskGroup::spawn(Task<void> task) {
  auto& running = state_->running;
  const auto at = running.insert(running.end(), std::make_shared<asio::cancellation_signal>());
  // A coroutine that was cancelled ends with an exception; whatever it held is gone by then.
  auto done = [state = state_, at, signal = *at](const std::exception_ptr&) {
    state->running.erase(at);
    if (state->ended) {
      state->ended();
    }
  };
  asio::co_spawn(state_->executor, std::move(task),
                 asio::bind_cancellation_slot((*at)->slot(), std::move(done)));
}

void TaskGroup::cancel() {
  // Ending one may remove it from the list, or start another: work on a copy.
  const std::list<std::shared_ptr<asio::cancellation_signal>> signals = state_->running;
  for (const auto& signal : signals) {
    signal->emit(asio::cancellation_type::terminal);
  }
  // Called from outside the loop, co_spawn's handler in each signal only posts its work, with a
  // bare pointer to itself: the signals live until that has run, even where the coroutine ends
  // before.
  asio::post(state_->executor, [signals] {});
}

std::size_t TaskGroup::size() const {
  return state_->running.size();
}

void TaskGroup::on_end(std::function<void()> callback) {
  state_->ended = std::move(callback);
}

Task<void> sleep_until(Deadline deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

WallTime SystemClock::wall_now() const {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::seconds>(since).count()};
}

MonoTime SystemClock::mono_now() const {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(since).count()};
}

void SystemRandom::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    LATCHKEY_CHECK(got > 0 || errno == EINTR);
    if (got > 0) {
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
}

}  // namespace latchkey::net
