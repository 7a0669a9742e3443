// The device's one TLS port: accepts, limits, and serves each connection as its ALPN says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "device/access_log.h"
#include "device/backend.h"
#include "device/device.h"
#include "device/network_hook.h"
#include "device/page_acts.h"
#include "device/single_sign_on.h"
#include "front/metrics.h"
#include "net/accepting.h"
#include "net/gatt_stream.h"
#include "net/http_stream.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls_server.h"
#include "net/tls_stream.h"

namespace latchkey::device {

class Http2Connection;

// Enough for a house; a neighbour who opens more is turned away at the door.
struct Limits {
  std::size_t connections = 1024;
  std::size_t per_address = 192;
  std::size_t handshakes = 128;
  std::size_t handshakes_per_address = 32;
  std::size_t pairing = 16;
  std::size_t pairing_per_address = 4;
  std::size_t management = 64;
  std::size_t management_per_address = 16;
  std::size_t streams = 100;  // of HTTP/2, on one connection
};

class Server {
 public:
  struct Parts {
    Device& device;
    Backend& backend;
    PageActs& page;
    AccessLog& log;
    front::Metrics& metrics;
    Timeouts timeouts;
    Limits limits;
    SingleSignOn* sso = nullptr;     // where the device takes part in it
    NetworkHook* network = nullptr;  // where the device can be told a network to join
  };
  Server(net::Executor executor, Parts parts);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // A listening socket, taken over.
  void start(int listener);
  // Takes no more connections, and no more requests on those that there are; calls back once when
  // nothing is being answered any more.
  void drain(std::function<void()> done);
  // Ends everything; the server may go when empty().
  void stop();
  [[nodiscard]] bool empty() const { return tasks_.empty(); }
  // A pairing session that came over Bluetooth.
  void pair_over_bluetooth(std::shared_ptr<net::GattStream> stream);
  // Pairing connections that have not proved the code.
  void end_unproven();
  // Whether it is a connection that pairs, and has proved the code.
  [[nodiscard]] bool has_proved(net::ByteStream& stream) const { return proved_.contains(&stream); }
  [[nodiscard]] std::size_t connections() const { return open_; }

 private:
  class Seat;     // counts a connection while it lives
  class Serving;  // lists a connection of a granted host
  struct Peer {
    std::size_t connections = 0;
    std::size_t handshakes = 0;
    std::size_t pairing = 0;
    std::size_t management = 0;
  };
  struct Client {
    std::unique_ptr<net::TlsStream> stream;
    std::string address;  // as text
    std::string key;      // in peers_, where it is while the connection lives
  };

  void admit(net::OwnedFd fd, const net::PeerAddress& peer);
  net::Task<void> serve(int fd, std::string address, std::string key, std::unique_ptr<Seat> seat);
  net::Task<void> serve_http(std::shared_ptr<Client> client);
  void leave_http2(std::uint64_t tag);
  net::Task<void> serve_http2(std::shared_ptr<Client> client);
  net::Task<void> serve_stream(std::shared_ptr<Client> client,
                               std::shared_ptr<Http2Connection> connection, std::int32_t stream);
  // One request of whatever protocol; `head` lives as long as `caller`.
  net::Task<void> serve_request(Client& client, Caller& caller, const wire::HttpRequestHead& head);
  void write_line(const Client& client, const Caller& caller, const wire::HttpRequestHead& head,
                  const HostName& host);
  net::Task<void> refuse_malformed(net::HttpStream& http);
  net::Task<void> serve_management(Client client);
  net::Task<bool> serve_management_request(net::HttpStream& http, const SpkiHash& agent,
                                           const Digest256& exporter);
  net::Task<void> serve_pairing(Client client);
  net::Task<void> serve_bluetooth(std::shared_ptr<net::GattStream> stream,
                                  std::unique_ptr<Seat> seat);
  // `key`: whose places it takes, in peers_.
  net::Task<void> pair(net::ByteStream& stream, Digest256 channel_binding, std::string key,
                       bool takes_networks);
  // False: the session is over. `given`: a network to be joined.
  net::Task<bool> perform(net::ByteStream& stream, std::optional<wire::NetworkCredentials>& given,
                          std::vector<enroll::DeviceEffect> effects);

  net::Executor executor_;
  Parts parts_;
  net::TlsServerContext tls_;
  std::shared_ptr<net::WatchedFd> listener_;
  std::map<std::string, Peer> peers_;
  std::size_t open_ = 0;
  std::size_t handshakes_ = 0;
  std::size_t pairing_ = 0;
  std::size_t management_ = 0;
  std::set<net::ByteStream*> unproven_;
  std::set<net::ByteStream*> proved_;
  std::set<Serving*> serving_;
  std::function<void()> drained_;
  bool draining_ = false;
  net::TaskGroup tasks_;  // last: its coroutines use all of the above
};

// Writes one of our own answers whole, in HTTP/1.1.
net::Task<net::Result<void>> write_plain(net::HttpStream& client, front::Answer answer,
                                         bool keep_alive, std::chrono::milliseconds stall);

}  // namespace latchkey::device
