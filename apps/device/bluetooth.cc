#include "device/bluetooth.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace latchkey::device {

class Bluetooth::Pipe final : public net::ValuePipe {
 public:
  Pipe(Radio& radio, CentralId central) : radio_(&radio), central_(central) {}
  void send(Bytes value) override {
    if (radio_ != nullptr) {
      radio_->send(central_, std::move(value));
    }
  }
  void hang_up() override {
    if (Radio* radio = std::exchange(radio_, nullptr)) {
      radio->hang_up(central_);
    }
  }

 private:
  Radio* radio_;
  CentralId central_;
};

Bluetooth::Bluetooth(net::Executor executor, Device& device, Radio& radio, Serve serve,
                     Proved proved)
    : executor_(executor),
      device_(device),
      radio_(radio),
      serve_(std::move(serve)),
      proved_(std::move(proved)),
      greeting_(std::move(executor)),
      self_(std::make_shared<Bluetooth*>(this)) {
  radio_.start(*this);
}

Bluetooth::~Bluetooth() {
  *self_ = nullptr;
  // Whoever serves them may hold them for longer.
  for (const auto& stream : sessions_) {
    stream->on_end(nullptr);
    stream->close();
  }
  radio_.stop();
}

void Bluetooth::update(const discovery::Rid& rid) {
  rid_ = rid;
  advertise();
}

void Bluetooth::advertise() {
  // A session that is connected needs no advertisement; one that waits cannot be reached without.
  const bool awaited =
      std::ranges::any_of(sessions_, [](const auto& stream) { return !stream->is_connected(); });
  radio_.advertise(device_.window_is_open() || awaited ? rid_ : std::nullopt);
}

void Bluetooth::on_connected(CentralId central, std::size_t mtu) {
  if (connection_ || (!device_.window_is_open() && sessions_.empty())) {
    radio_.hang_up(central);
    return;
  }
  connection_ = Connection{central, mtu, std::make_shared<Pipe>(radio_, central), nullptr};
  greeting_.expires_after(gatt::kGreetingTime);
  greeting_.async_wait([self = self_, pipe = std::weak_ptr(connection_->pipe)](
                           const boost::system::error_code& error) {
    const auto late = pipe.lock();
    if (!error && *self != nullptr && late) {
      late->hang_up();
    }
  });
}

void Bluetooth::on_value(CentralId central, ByteSpan value) {
  if (!connection_ || connection_->central != central) {
    return;
  }
  if (!connection_->stream) {
    greet(value);
  } else {
    // It may end and be let go of meanwhile.
    const auto stream = connection_->stream;
    stream->on_value(value);
  }
}

void Bluetooth::on_value_taken(CentralId central) {
  if (connection_ && connection_->central == central && connection_->stream) {
    const auto stream = connection_->stream;
    stream->on_value_taken();
  }
}

void Bluetooth::on_disconnected(CentralId central) {
  if (!connection_ || connection_->central != central) {
    return;
  }
  const auto stream = connection_->stream;
  connection_.reset();
  greeting_.cancel();
  if (stream) {
    stream->on_disconnected();
  }
  advertise();
}

// --- sessions ---

void Bluetooth::greet(ByteSpan value) {
  greeting_.cancel();
  const auto read = gatt::read_value(value);
  const auto* hello = read ? std::get_if<gatt::Hello>(&*read) : nullptr;
  if (hello == nullptr) {
    const bool other = read && std::holds_alternative<gatt::OtherVersion>(*read);
    refuse(other ? gatt::EndReason::kUnsupported : gatt::EndReason::kMalformed);
    return;
  }
  auto stream = find(hello->greeting.session);
  const bool is_new = stream == nullptr;
  if (is_new) {
    if (!device_.window_is_open()) {
      refuse(gatt::EndReason::kRefused);
      return;
    }
    stream = add(hello->greeting.session);
  }
  if (!stream) {
    refuse(gatt::EndReason::kRefused);
    return;
  }
  connection_->stream = stream;
  stream->on_connected(connection_->pipe, connection_->mtu);
  stream->on_value(value);
  if (is_new && stream->is_open()) {
    serve_(stream);
  }
  advertise();
}

void Bluetooth::refuse(gatt::EndReason reason) {
  connection_->pipe->send(gatt::write_end(reason));
  connection_->pipe->hang_up();
}

std::shared_ptr<net::GattStream> Bluetooth::find(const gatt::SessionId& session) const {
  const auto at = std::ranges::find_if(sessions_, [&](const auto& stream) {
    return stream->session() == session && stream->is_open();
  });
  return at == sessions_.end() ? nullptr : *at;
}

std::shared_ptr<net::GattStream> Bluetooth::add(const gatt::SessionId& session) {
  if (sessions_.size() >= kMaxSessions) {
    const auto oldest =
        std::ranges::find_if(sessions_, [&](const auto& stream) { return !proved_(*stream); });
    if (oldest == sessions_.end()) {
      return nullptr;
    }
    const auto over = *oldest;
    sessions_.erase(oldest);
    over->close();
  }
  auto stream = std::make_shared<net::GattStream>(executor_, gatt::Role::kPeripheral, session);
  const std::weak_ptr<net::GattStream> weak = stream;
  // Not from inside of what ended it.
  stream->on_end([self = self_, weak, executor = executor_] {
    boost::asio::post(executor, [self, weak] {
      Bluetooth* bluetooth = *self;
      const auto over = weak.lock();
      if (bluetooth != nullptr && over) {
        spdlog::debug("a session over Bluetooth is over");
        std::erase(bluetooth->sessions_, over);
        bluetooth->advertise();
      }
    });
  });
  sessions_.push_back(stream);
  return stream;
}

}  // namespace latchkey::device
