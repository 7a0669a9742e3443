#include "nearby.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace latchkey::agentd {

// One connection. What a session says after its connection is gone goes nowhere.
class CarriedLink::Pipe final : public net::ValuePipe {
 public:
  explicit Pipe(CarriedLink* link) : link_(link) {}
  void send(Bytes value) override {
    if (link_ != nullptr) {
      ++link_->in_radio_;
      link_->carrier_.send(std::move(value));
    }
  }
  void hang_up() override {
    if (CarriedLink* link = std::exchange(link_, nullptr)) {
      link->unused_ = false;
      link->carrier_.hang_up();
    }
  }
  void cut() { link_ = nullptr; }

 private:
  CarriedLink* link_;
};

CarriedLink::CarriedLink(net::Executor executor, Random& random, Carrier carrier)
    : executor_(std::move(executor)),
      random_(random),
      carrier_(std::move(carrier)),
      changed_(executor_, net::kNoDeadline) {}

CarriedLink::~CarriedLink() {
  if (pipe_) {
    pipe_->cut();
  }
}

net::Task<net::Result<std::shared_ptr<net::GattStream>>> CarriedLink::open() {
  const auto self = shared_from_this();
  if (const auto before = std::exchange(stream_, nullptr)) {
    before->close();
  }
  // The connection of another session goes first: what it still says must not be cut off.
  const auto gone_by = net::after(kHangUpTime);
  while (!over_ && pipe_ && !unused_ && std::chrono::steady_clock::now() < gone_by) {
    changed_.expires_at(gone_by);
    (void)co_await changed_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  if (!over_ && !unused_) {
    carrier_.connect();
  }
  const auto there_by = net::after(kConnectTime);
  while (!over_ && !unused_) {
    if (std::chrono::steady_clock::now() >= there_by) {
      co_return fail(net::Error{net::Error::Code::kTimeout, "no connection over Bluetooth"});
    }
    changed_.expires_at(there_by);
    (void)co_await changed_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  if (over_) {
    co_return fail(net::Error{net::Error::Code::kClosed, "the Bluetooth link is over"});
  }
  unused_ = false;
  stream_ = std::make_shared<net::GattStream>(executor_, gatt::Role::kCentral, random_.bytes<8>());
  stream_->on_connected(pipe_, mtu_);
  co_return stream_;
}

void CarriedLink::on_connected(std::size_t mtu) {
  if (over_) {
    return;
  }
  if (pipe_) {
    pipe_->cut();
  }
  pipe_ = std::make_shared<Pipe>(this);
  mtu_ = mtu;
  in_radio_ = 0;
  if (stream_ && stream_->is_open()) {
    stream_->on_connected(pipe_, mtu_);
  } else {
    unused_ = true;
  }
  changed_.cancel();
}

void CarriedLink::on_value(ByteSpan value) {
  if (const auto stream = stream_; stream && pipe_) {
    stream->on_value(value);
  }
}

void CarriedLink::on_taken() {
  if (in_radio_ > 0) {
    --in_radio_;
    if (const auto stream = stream_; stream && pipe_) {
      stream->on_value_taken();
    }
  }
}

void CarriedLink::on_lost() {
  if (!pipe_) {
    return;
  }
  pipe_->cut();
  pipe_.reset();
  unused_ = false;
  changed_.cancel();
  if (const auto stream = stream_; stream && stream->is_open()) {
    stream->on_disconnected();
    if (stream->is_open()) {
      carrier_.connect();
    }
  }
}

void CarriedLink::on_gone() {
  if (!over_) {
    carrier_.over = nullptr;
    end();
  }
}

void CarriedLink::close(std::optional<wire::ErrorCode> why) {
  if (over_) {
    return;
  }
  end();
  if (const auto over = std::exchange(carrier_.over, nullptr)) {
    over(why);
  }
}

void CarriedLink::end() {
  over_ = true;
  unused_ = false;
  if (pipe_) {
    pipe_->cut();
    pipe_.reset();
  }
  if (const auto stream = std::exchange(stream_, nullptr)) {
    stream->close();
  }
  changed_.cancel();
}

}  // namespace latchkey::agentd
