#include "net/gatt_stream.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <utility>

namespace latchkey::net {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kShutdownTime = std::chrono::seconds(2);

const char* words_for(gatt::EndReason reason) {
  switch (reason) {
    case gatt::EndReason::kDone:
      return "the other end is done";
    case gatt::EndReason::kMalformed:
      return "a value is none of the protocol";
    case gatt::EndReason::kLimit:
      return "more than is taken";
    case gatt::EndReason::kUnknownSession:
      return "the session is not known there";
    case gatt::EndReason::kTimeout:
      return "no answer over Bluetooth";
    case gatt::EndReason::kUnsupported:
      return "another version of the protocol";
    case gatt::EndReason::kRefused:
      return "refused";
    case gatt::EndReason::kCancelled:
      return "cancelled";
    case gatt::EndReason::kLost:
      return "the connection was lost";
  }
  return "over";
}

}  // namespace

// Timers outlive their owner: what they call holds this weakly.
struct GattStream::State : std::enable_shared_from_this<GattStream::State> {
  State(const Executor& executor, gatt::Role role, const gatt::SessionId& session)
      : link(role, session),
        timer(executor),
        readable(executor, kNoDeadline),
        writable(executor, kNoDeadline) {}

  void perform(gatt::Effects effects) {
    for (gatt::Effect& effect : effects) {
      if (auto* send = std::get_if<gatt::SendValue>(&effect)) {
        if (pipe) {
          pipe->send(std::move(send->value));
        }
      } else if (auto* received = std::get_if<gatt::Received>(&effect)) {
        append(input, received->bytes);
      } else {
        ended = std::get<gatt::Ended>(effect);
        if (const auto gone = std::exchange(pipe, nullptr)) {
          gone->hang_up();
        }
      }
    }
    readable.cancel();
    writable.cancel();
    arm();
    if (ended && told) {
      std::exchange(told, nullptr)();
    }
  }

  void arm() {
    const auto due = link.deadline();
    if (due == armed) {
      return;
    }
    armed = due;
    if (!due) {
      timer.cancel();
      return;
    }
    timer.expires_at(Deadline(std::chrono::milliseconds(due->ms)));
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) {
        self->armed.reset();
        self->perform(self->link.on_time(self->now()));
      }
    });
  }

  [[nodiscard]] MonoTime now() const { return clock.mono_now(); }
  [[nodiscard]] Error why() const {
    return {ended && ended->reason == gatt::EndReason::kLimit ? Error::Code::kLimit
                                                              : Error::Code::kClosed,
            ended ? words_for(ended->reason) : "closed here"};
  }
  static Task<void> wait(asio::steady_timer& event, Deadline deadline) {
    event.expires_at(deadline);
    (void)co_await event.async_wait(asio::as_tuple(asio::use_awaitable));
  }

  gatt::Link link;
  SystemClock clock;
  std::shared_ptr<ValuePipe> pipe;
  Bytes input;  // received and not read: the link bounds it
  std::optional<gatt::Ended> ended;
  std::function<void()> told;
  asio::steady_timer timer;
  asio::steady_timer readable;
  asio::steady_timer writable;
  std::optional<MonoTime> armed;
};

GattStream::GattStream(Executor executor, gatt::Role role, const gatt::SessionId& session)
    : state_(std::make_shared<State>(executor, role, session)) {}

GattStream::~GattStream() {
  state_->told = nullptr;
  close();
}

void GattStream::on_connected(std::shared_ptr<ValuePipe> pipe, std::size_t mtu) {
  if (state_->ended) {
    pipe->hang_up();
    return;
  }
  if (const auto before = std::exchange(state_->pipe, std::move(pipe))) {
    before->hang_up();
  }
  state_->perform(state_->link.connected(state_->now(), mtu));
}

void GattStream::on_value(ByteSpan value) {
  const auto keep = state_;
  keep->perform(keep->link.on_value(keep->now(), value));
}

void GattStream::on_value_taken() {
  const auto keep = state_;
  keep->perform(keep->link.on_value_taken(keep->now()));
}

void GattStream::on_disconnected() {
  const auto keep = state_;
  keep->pipe.reset();
  keep->perform(keep->link.disconnected(keep->now()));
}

Task<Result<std::size_t>> GattStream::read_some(std::span<std::uint8_t> into, Deadline deadline) {
  const auto keep = state_;
  while (true) {
    if (!keep->input.empty()) {
      const std::size_t size = std::min(into.size(), keep->input.size());
      std::copy_n(keep->input.begin(), size, into.begin());
      keep->input.erase(keep->input.begin(),
                        keep->input.begin() + static_cast<std::ptrdiff_t>(size));
      keep->perform(keep->link.consumed(keep->now(), size));
      co_return size;
    }
    if (keep->ended) {
      if (keep->ended->reason == gatt::EndReason::kDone) {
        co_return std::size_t{0};
      }
      co_return fail(keep->why());
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return fail(Error{Error::Code::kTimeout, "nothing came over Bluetooth"});
    }
    co_await State::wait(keep->readable, deadline);
  }
}

Task<Result<void>> GattStream::write_all(ByteSpan bytes, std::chrono::milliseconds stall) {
  const auto keep = state_;
  Deadline deadline = after(stall);
  while (true) {
    if (keep->ended) {
      co_return fail(keep->why());
    }
    const std::size_t size = std::min(bytes.size(), keep->link.room());
    if (size > 0) {
      keep->perform(keep->link.send(keep->now(), bytes.first(size)));
      bytes = bytes.subspan(size);
      deadline = after(stall);
    }
    if (bytes.empty()) {
      co_return Result<void>{};
    }
    if (keep->link.queued() == 0) {
      // No room although nothing waits: there is no more, ever.
      co_return fail(Error{Error::Code::kLimit, "the session has had all it may have"});
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return fail(Error{Error::Code::kTimeout, "the other end takes nothing"});
    }
    co_await State::wait(keep->writable, deadline);
  }
}

Task<void> GattStream::shutdown() {
  const auto keep = state_;
  keep->perform(keep->link.finish(keep->now()));
  const Deadline deadline = after(kShutdownTime);
  while (!keep->ended && std::chrono::steady_clock::now() < deadline) {
    co_await State::wait(keep->writable, deadline);
  }
}

void GattStream::close() {
  const auto keep = state_;
  keep->perform(keep->link.close(keep->now(), gatt::EndReason::kCancelled));
}

bool GattStream::is_open() const {
  return !state_->ended;
}

const gatt::SessionId& GattStream::session() const {
  return state_->link.session();
}

bool GattStream::is_connected() const {
  return state_->pipe != nullptr;
}

std::optional<gatt::Ended> GattStream::ended() const {
  return state_->ended;
}

void GattStream::on_end(std::function<void()> callback) {
  state_->told = std::move(callback);
}

}  // namespace latchkey::net
