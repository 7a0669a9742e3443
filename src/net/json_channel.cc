#include "net/json_channel.h"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstring>
#include <utility>

#include "net/local_message.h"
#include "wire/names.h"

namespace latchkey::net {

JsonChannel::JsonChannel(Executor executor, std::unique_ptr<ByteStream> stream)
    : executor_(std::move(executor)),
      stream_(std::move(stream)),
      frames_(wire::kMaxAgentMessage, wire::FrameDecoder::Order::kNative) {}

JsonChannel::~JsonChannel() = default;

std::shared_ptr<JsonChannel> JsonChannel::make(Executor executor,
                                               std::unique_ptr<ByteStream> stream) {
  return std::shared_ptr<JsonChannel>(new JsonChannel(std::move(executor), std::move(stream)));
}

Task<Result<std::string>> JsonChannel::receive(Deadline deadline) {
  const auto self = shared_from_this();
  std::array<std::uint8_t, 16384> buffer{};
  std::optional<Deadline> message_deadline;
  while (true) {
    if (auto message = frames_.next()) {
      co_return std::string(as_text(*message));
    }
    if (frames_.buffered() > 0 && !message_deadline) {
      message_deadline = after(kMessageTime);
    }
    const Deadline until = std::min(deadline, message_deadline.value_or(kNoDeadline));
    const auto got = co_await stream_->read_some(buffer, until);
    if (!got) {
      co_return fail(got.error());
    }
    if (*got == 0) {
      co_return fail(Error{Error::Code::kClosed, "the peer has ended"});
    }
    if (!frames_.push(ByteSpan(buffer).first(*got))) {
      co_return fail(Error{Error::Code::kLimit, "a message over the limit"});
    }
  }
}

void JsonChannel::send(std::string_view message) {
  if (!is_open() || closing_) {
    return;
  }
  if (message.size() > wire::kMaxAgentMessage || queued_ + message.size() > kMaxQueued) {
    close();
    return;
  }
  queue_.push_back(encode_local_message(message));
  queued_ += queue_.back().size();
  if (!writing_) {
    writing_ = true;
    boost::asio::co_spawn(executor_, write_queued(shared_from_this()), boost::asio::detached);
  }
}

Task<void> JsonChannel::write_queued(std::shared_ptr<JsonChannel> self) {
  while (!self->queue_.empty() && self->is_open()) {
    const Bytes message = std::move(self->queue_.front());
    self->queue_.pop_front();
    const auto written = co_await self->stream_->write_all(message, kStall);
    self->queued_ -= message.size();
    if (!written) {
      self->close();
    }
  }
  self->writing_ = false;
  if (self->closing_) {
    self->close();
  }
}

void JsonChannel::close() {
  stream_->close();
}

void JsonChannel::close_after_send() {
  closing_ = true;
  if (!writing_) {
    close();
  }
}

bool JsonChannel::is_open() const {
  return stream_->is_open();
}

}  // namespace latchkey::net
