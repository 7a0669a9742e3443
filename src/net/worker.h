// One thread beside the loop for what blocks or burns: PBKDF2, look-ups, trust stores. Work is done
// in order. A coroutine that waits for it can be cancelled, the work itself cannot.
#pragma once

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "net/task.h"

namespace latchkey::net {

// Destroyed before the io_context whose coroutines use it; that waits for work that has begun.
class Worker {
 public:
  Worker() = default;
  ~Worker() {
    if (pool_) {
      pool_->stop();
      pool_->join();
    }
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `work` there; the coroutine goes on where it was, with the value, or with nothing when the
  // deadline passed first. `work` owns what it uses, since the caller may be gone before it is
  // done.
  template <class F>
  Task<std::optional<std::invoke_result_t<F>>> run(Executor executor, Deadline deadline, F work) {
    struct State {
      State(const Executor& e, Deadline until) : done(e, until) {}
      boost::asio::steady_timer done;
      std::optional<std::invoke_result_t<F>> value;
    };
    auto state = std::make_shared<State>(executor, deadline);
    if (!pool_) {
      pool_ = std::make_unique<boost::asio::thread_pool>(1);
    }
    ++running_;
    boost::asio::post(*pool_, [this, state, executor, job = std::move(work)]() mutable {
      auto value = std::make_shared<std::invoke_result_t<F>>(job());
      --running_;
      boost::asio::post(executor, [state, value] {
        state->value = std::move(*value);
        state->done.cancel();
      });
    });
    if (!state->value) {
      (void)co_await state->done.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    co_return std::move(state->value);
  }

  // The same for another thread that has nothing else to do: it waits. Not from the loop's, nor
  // from this one's own; run() was called before. Nothing where this is going away.
  template <class F>
  std::optional<std::invoke_result_t<F>> wait_for(F work) {
    if (!pool_) {
      return std::nullopt;
    }
    auto promise = std::make_shared<std::promise<std::invoke_result_t<F>>>();
    auto value = promise->get_future();
    ++running_;
    boost::asio::post(*pool_,
                      [this, promise = std::move(promise), job = std::move(work)]() mutable {
                        promise->set_value(job());
                        --running_;
                      });
    try {
      return value.get();
    } catch (const std::future_error&) {
      return std::nullopt;
    }
  }

  // Whether something runs or waits there.
  [[nodiscard]] bool is_busy() const { return running_ > 0; }

 private:
  std::atomic<int> running_ = 0;
  std::unique_ptr<boost::asio::thread_pool> pool_;
};

}  // namespace latchkey::net
