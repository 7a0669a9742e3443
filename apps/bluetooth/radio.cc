#include "bluetooth/radio.h"

#include <spdlog/spdlog.h>

#include <array>
#include <utility>

#include "gatt/names.h"
#include "gatt/radio_messages.h"
#include "net/accepting.h"

namespace latchkey::bluetooth {
namespace {

namespace radio = gatt::radio;

bluez::ServiceNames names() {
  return {std::string(gatt::kService), std::string(gatt::kToDevice), std::string(gatt::kFromDevice),
          std::string(gatt::kRid)};
}

}  // namespace

Radio::Radio(boost::asio::io_context& io, Options options)
    : io_(io), options_(std::move(options)), tasks_(io.get_executor()) {
  peripheral_ = std::make_unique<bluez::Peripheral>(
      io.get_executor(), bluez::Peripheral::Options{options_.adapter, names()}, *this);
}

Radio::~Radio() {
  stop();
}

void Radio::stop() {
  peripheral_.reset();
  if (const auto stream = std::exchange(stream_, nullptr)) {
    stream->close();
  }
  tasks_.cancel();
}

// --- from BlueZ ---

void Radio::on_condition(const bluez::Condition& condition) {
  using Kind = bluez::Condition::Kind;
  if (condition.kind != Kind::kStarting) {
    spdlog::log(condition.kind == Kind::kReady ? spdlog::level::info : spdlog::level::warn, "{}",
                bluez::text_of(condition));
  }
  if (condition.kind != Kind::kReady) {
    if (const auto stream = std::exchange(stream_, nullptr)) {
      stream->close();
    }
    connected_ = false;
    queue_.clear();
    const bool gone = condition.kind == Kind::kNoBus || condition.kind == Kind::kNoDaemon ||
                      condition.kind == Kind::kNoAdapter;
    if (gone && peripheral_) {
      // What was wanted may not be any more when there is one again; the device says it anew.
      peripheral_->advertise(std::nullopt);
    }
  } else if (!stream_) {
    auto stream = net::connect_unix(io_.get_executor(), options_.socket);
    if (!stream) {
      spdlog::error("the device does not answer at {}: {}", options_.socket, stream.error().detail);
      end();
      return;
    }
    stream_ = *std::move(stream);
    tasks_.spawn(serve());
  }
}

void Radio::on_connected(std::size_t mtu) {
  connected_ = true;
  ++central_;
  put(radio::kConnected, radio::two_bytes(mtu));
}

void Radio::on_disconnected() {
  if (std::exchange(connected_, false)) {
    put(radio::kDisconnected, {});
  }
}

void Radio::on_value(Bytes value) {
  put(radio::kValueCame, value, true);
}

void Radio::on_sent() {
  put(radio::kTaken, {});
}

// --- from and to the device ---

void Radio::put(std::uint8_t kind, ByteSpan body, bool is_value) {
  if (!stream_) {
    return;
  }
  // What waits here is bounded by who causes it: a central has one write under way, and the device
  // is told of no more values than it sent.
  Message message{radio::two_bytes(3 + body.size()), is_value};
  message.bytes.push_back(kind);
  append(message.bytes, radio::two_bytes(central_));
  append(message.bytes, body);
  queue_.push_back(std::move(message));
  if (!std::exchange(writing_, true)) {
    tasks_.spawn(write_queued());
  }
}

net::Task<void> Radio::write_queued() {
  while (stream_ && !queue_.empty()) {
    const auto stream = stream_;
    const Message message = std::move(queue_.front());
    queue_.pop_front();
    const auto written = co_await stream->write_all(message.bytes, radio::kStall);
    if (!written) {
      stream->close();
      break;
    }
    if (message.is_value && peripheral_) {
      peripheral_->taken();
    }
  }
  writing_ = false;
}

net::Task<void> Radio::serve() {
  const auto stream = stream_;
  Bytes buffer;
  std::array<std::uint8_t, 4096> block{};
  bool right = true;
  while (right && stream_ == stream) {
    const auto got = co_await stream->read_some(block, net::kNoDeadline);
    if (!got || *got == 0) {
      break;
    }
    append(buffer, ByteSpan(block).first(*got));
    std::size_t at = 0;
    while (right && buffer.size() - at >= 2) {
      const ByteSpan rest = ByteSpan(buffer).subspan(at);
      const std::size_t size = radio::number(rest);
      right = size >= 1 && size <= radio::kMaxMessage;
      if (!right || rest.size() < 2 + size) {
        break;
      }
      right = take(rest.subspan(2, size));
      at += 2 + size;
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(at));
  }
  stream->close();
  if (!right) {
    spdlog::error("the device sent what is no message");
  }
  if (stream_ == stream) {
    end();
  }
}

void Radio::end() {
  stream_.reset();
  hung_up_ = true;
  io_.stop();
}

bool Radio::take(ByteSpan message) {
  const ByteSpan body = message.subspan(1);
  if (!peripheral_) {
    return true;
  }
  if (message[0] == radio::kAdvertise) {
    bluez::Rid rid{};
    if (body.size() == 1 && body[0] == 0) {
      peripheral_->advertise(std::nullopt);
      return true;
    }
    if (body.size() != 1 + rid.size() || body[0] != 1) {
      return false;
    }
    std::copy(body.begin() + 1, body.end(), rid.begin());
    peripheral_->advertise(rid);
    return true;
  }
  if ((message[0] != radio::kValue && message[0] != radio::kHangUp) || body.size() < 2) {
    return false;
  }
  // Of a central that has gone meanwhile: nothing.
  if (connected_ && radio::number(body) == central_) {
    if (message[0] == radio::kValue) {
      peripheral_->send(to_bytes(body.subspan(2)));
    } else {
      peripheral_->dismiss();
    }
  }
  return true;
}

}  // namespace latchkey::bluetooth
