// Hands requests on to a plain HTTP/1.1 service on this machine, both ways at once and piece by
// piece: a side that does not read stops the other. Connections are kept for the next request.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "device/backend.h"
#include "net/http_stream.h"

namespace latchkey::device {

// "http://127.0.0.1:PORT" or "http://[::1]:PORT", "localhost" for the first, or "unix:/PATH", a
// socket that only those can reach whom its permissions let; nothing else: what goes in plain text
// must not leave the machine.
using UpstreamAddress = std::variant<boost::asio::ip::tcp::endpoint, std::string>;
std::optional<UpstreamAddress> parse_upstream(std::string_view url);

class UpstreamBackend final : public Backend {
 public:
  // One for each of a house's busy clients: fewer, and some connect anew for every request.
  static constexpr std::size_t kMaxIdle = 64;
  UpstreamBackend(net::Executor executor, UpstreamAddress to, const Timeouts& timeouts,
                  front::Metrics& metrics)
      : executor_(std::move(executor)),
        to_(std::move(to)),
        timeouts_(timeouts),
        metrics_(metrics) {}
  net::Task<void> serve(Exchange exchange) override;

 private:
  struct Connection {
    std::unique_ptr<net::FdStream> stream;
    std::unique_ptr<net::HttpStream> http;
    bool reused = false;
  };
  // State of one exchange, shared by the two directions.
  struct Passage {
    Exchange& exchange;
    Connection connection;
    bool body_sent = false;
    std::string key = {};  // of a WebSocket whose client has none
    bool retry = false;    // nothing came back on a connection that had been idle
    // Whether somebody looks after the client while the service is waited for. As long as nobody
    // does, that wait is brief; what is given up because of it is `quiet`, and may be taken up
    // again.
    bool watched = true;
    bool quiet = false;
    bool answering = false;  // the head of the answer has been written
  };
  net::Task<net::Result<Connection>> connect(bool fresh);
  net::Task<bool> send_head(Passage& passage);
  net::Task<bool> send_body(Passage& passage);
  net::Task<void> send_body_then_wait(Passage& passage);
  net::Task<void> receive(Passage& passage);
  net::Task<void> receive_answer(Passage& passage);
  // How long the service may take for its next bytes, and whether it was silent for that long while
  // nobody was watching the client.
  [[nodiscard]] net::Deadline patience(const Passage& passage) const;
  bool is_quiet(Passage& passage, const net::Error& error) const;
  // The end of an answer.
  net::Task<void> conclude(Passage& passage);
  // False: not all of it came, or was passed on.
  net::Task<bool> relay_body(Passage& passage);
  net::Task<void> tunnel(Passage& passage);
  net::Task<void> pump(net::ByteStream& from, net::ByteStream& to, std::uint64_t& bytes);
  void give_back(Connection connection);

  net::Executor executor_;
  UpstreamAddress to_;
  Timeouts timeouts_;
  front::Metrics& metrics_;
  net::SystemRandom random_;
  std::deque<Connection> idle_;
};

}  // namespace latchkey::device
