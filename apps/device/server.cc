#include "device/server.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>

namespace latchkey::device {

namespace {

namespace asio = boost::asio;

// All of Bluetooth is one neighbour.
constexpr std::string_view kBluetoothPeer = "bluetooth";

}  // namespace

class Server::Seat {
 public:
  Seat(Server& server, std::string key) : server_(server), key_(std::move(key)) {
    ++server_.open_;
    ++server_.handshakes_;
    Peer& peer = server_.peers_[key_];
    ++peer.connections;
    ++peer.handshakes;
  }
  ~Seat() {
    shaken();
    --server_.open_;
    const auto at = server_.peers_.find(key_);
    if (--at->second.connections == 0) {
      server_.peers_.erase(at);
    }
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  void shaken() {
    if (!shaken_) {
      shaken_ = true;
      --server_.handshakes_;
      --server_.peers_[key_].handshakes;
    }
  }

 private:
  Server& server_;
  std::string key_;
  bool shaken_ = false;
};

Server::Server(net::Executor executor, Parts parts)
    : executor_(executor),
      parts_(std::move(parts)),
      tls_([this](const net::ClientHello& hello) { return parts_.device.choose(hello); }),
      tasks_(std::move(executor)) {}

Server::~Server() = default;

void Server::start(int listener) {
  listener_ = net::WatchedFd::take(executor_, listener);
  tasks_.spawn(net::accept_each(listener_, [this](net::OwnedFd fd, const net::PeerAddress& peer) {
    admit(std::move(fd), peer);
  }));
}

void Server::stop() {
  if (listener_) {
    listener_->close();
  }
  if (parts_.sso != nullptr) {
    parts_.sso->stop();
  }
  tasks_.cancel();
}

void Server::end_unproven() {
  for (net::ByteStream* stream : unproven_) {
    stream->close();
  }
}

void Server::admit(net::OwnedFd fd, const net::PeerAddress& peer) {
  const std::string key = net::peer_key(peer);
  const auto known = peers_.find(key);
  const Peer count = known == peers_.end() ? Peer{} : known->second;
  const Limits& limits = parts_.limits;
  using front::Refusal;
  const std::pair<bool, Refusal> rules[] = {
      {open_ >= limits.connections, Refusal::kConnections},
      {count.connections >= limits.per_address, Refusal::kConnectionsOfAddress},
      {handshakes_ >= limits.handshakes, Refusal::kHandshakes},
      {count.handshakes >= limits.handshakes_per_address, Refusal::kHandshakesOfAddress}};
  for (const auto& [refused, why] : rules) {
    if (refused) {
      parts_.metrics.count(why);
      return;
    }
  }
  const int on = 1;
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  tasks_.spawn(serve(fd.release(), net::peer_text(peer), key, std::make_unique<Seat>(*this, key)));
}

net::Task<void> Server::serve(int fd, std::string address, std::string key,
                              std::unique_ptr<Seat> seat) {
  auto stream =
      co_await net::TlsStream::accept(executor_, fd, tls_, net::after(parts_.timeouts.handshake));
  seat->shaken();
  if (!stream) {
    ++parts_.metrics.failed_handshakes;
    spdlog::debug("handshake with {}: {}", address, stream.error().detail);
    co_return;
  }
  ++parts_.metrics.handshakes[(*stream)->resumed() ? 1 : 0];
  Client client{*std::move(stream), std::move(address), std::move(key)};
  switch (client.stream->tag()) {
    case kPairTag:
      co_await serve_pairing(std::move(client));
      break;
    case kManageTag:
      co_await serve_management(std::move(client));
      break;
    default:
      co_await serve_http(std::make_shared<Client>(std::move(client)));
  }
}

void Server::pair_over_bluetooth(std::shared_ptr<net::GattStream> stream) {
  auto seat = std::make_unique<Seat>(*this, std::string(kBluetoothPeer));
  seat->shaken();
  tasks_.spawn(serve_bluetooth(std::move(stream), std::move(seat)));
}

net::Task<void> Server::serve_bluetooth(std::shared_ptr<net::GattStream> stream,
                                        std::unique_ptr<Seat> /*seat*/) {
  // Bluetooth gives nothing to bind to: who is at the other end is for the code to prove.
  co_await pair(*stream, Digest256{}, std::string(kBluetoothPeer), parts_.network != nullptr);
  // Whoever does not say that it has everything does not keep the radio.
  stream->close();
}

}  // namespace latchkey::device
