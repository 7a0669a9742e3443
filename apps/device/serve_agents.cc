// Connections of agents: management, and pairing.
#include <spdlog/spdlog.h>

#include <utility>

#include "crypto/x509.h"
#include "device/server.h"

namespace latchkey::device {

namespace {

// Counts a connection in two places while it lives: among all, and among those of its address, so
// that one neighbour does not take every place.
class Counted {
 public:
  Counted(std::size_t& all, std::size_t& peers) : all_(all), peers_(peers) {
    ++all_;
    ++peers_;
  }
  ~Counted() {
    --all_;
    --peers_;
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& all_;
  std::size_t& peers_;
};

}  // namespace

net::Task<void> Server::serve_management(Client client) {
  Peer& peer = peers_.at(client.key);
  if (management_ >= parts_.limits.management ||
      peer.management >= parts_.limits.management_per_address) {
    co_return;
  }
  const Counted counted(management_, peer.management);
  net::TlsStream& stream = *client.stream;
  // The handshake has proved that the peer holds this key. Whether it is bound is judged at every
  // request.
  const auto certificate = stream.peer_certificate();
  const auto key = certificate ? crypto::certificate_key(*certificate)
                               : crypto::Result<crypto::PublicKey>(fail(crypto::Error{}));
  const auto exporter = stream.exporter(wire::kExporterManage);
  if (!key || !exporter) {
    co_return;
  }
  net::HttpStream http(stream);
  while (stream.is_open()) {
    const auto read =
        co_await http.read_request(net::after(parts_.timeouts.idle), parts_.timeouts.head);
    if (!read) {
      if (http.fault()) {
        co_await refuse_malformed(http);
      }
      break;
    }
    if (!co_await serve_management_request(http, key->spki_hash(), *exporter)) {
      break;
    }
  }
  co_await stream.shutdown();
}

net::Task<bool> Server::serve_management_request(net::HttpStream& http, const SpkiHash& agent,
                                                 const Digest256& exporter) {
  const auto body =
      co_await http.read_all(front::kMaxManagementBody, net::after(parts_.timeouts.body));
  if (!body) {
    co_return false;
  }
  const wire::HttpRequestHead& head = http.message().request_head();
  front::Answer answer = parts_.device.manage({head, *body, agent, exporter});
  spdlog::debug("management: {} {} -> {}", head.method, head.target, answer.status);
  const bool keep = http.message().keep_alive();
  const auto written = co_await write_plain(http, std::move(answer), keep, parts_.timeouts.stall);
  co_return keep&& written.has_value();
}

net::Task<void> Server::serve_pairing(Client client) {
  net::TlsStream& stream = *client.stream;
  const auto channel_binding = stream.exporter(wire::kExporterPair);
  if (channel_binding) {
    co_await pair(stream, *channel_binding, client.key, false);
  }
}

net::Task<void> Server::pair(net::ByteStream& stream, Digest256 channel_binding, std::string key,
                             bool takes_networks) {
  // Lists the connection for the window's end until it has proved the code.
  struct Place {
    Server& server;
    net::ByteStream& stream;
    Place(Server& s, net::ByteStream& b) : server(s), stream(b) {
      server.unproven_.insert(&stream);
    }
    ~Place() {
      server.unproven_.erase(&stream);
      server.proved_.erase(&stream);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
  };
  Peer& peer = peers_.at(key);
  if (pairing_ >= parts_.limits.pairing || peer.pairing >= parts_.limits.pairing_per_address) {
    stream.close();
    co_return;
  }
  const Counted counted(pairing_, peer.pairing);
  const Place place(*this, stream);
  const Clock& clock = parts_.device.clock();
  const auto session = parts_.device.pairing_session(channel_binding);
  session->take_networks(takes_networks);
  Bytes block(4096);
  while (stream.is_open()) {
    const auto until = session->deadline();
    const net::Deadline deadline =
        until ? net::Deadline(std::chrono::milliseconds(until->ms)) : net::kNoDeadline;
    const auto got = co_await stream.read_some(block, deadline);
    std::vector<enroll::DeviceEffect> effects;
    if (got && *got > 0) {
      effects = session->on_bytes(clock.mono_now(), clock.wall_now(), ByteSpan(block).first(*got));
    } else if (!got && got.error().code == net::Error::Code::kTimeout) {
      effects = session->on_time(clock.mono_now());
    } else {
      break;
    }
    std::optional<wire::NetworkCredentials> network;
    bool goes_on = co_await perform(stream, network, std::move(effects));
    if (goes_on && network) {
      // It has a name because g++ 12 destroys what is a temporary of co_await twice.
      wire::NetworkCredentials told = *std::move(network);
      network.reset();
      const auto state = co_await parts_.network->join(executor_, std::move(told));
      auto answer = session->on_network(clock.mono_now(), state);
      goes_on = co_await perform(stream, network, std::move(answer));
    }
    parts_.device.on_paired();  // the window may have closed
    if (!goes_on) {
      break;
    }
  }
  co_await stream.shutdown();
}

net::Task<bool> Server::perform(net::ByteStream& stream,
                                std::optional<wire::NetworkCredentials>& given,
                                std::vector<enroll::DeviceEffect> effects) {
  bool goes_on = true;
  for (enroll::DeviceEffect& effect : effects) {
    if (const auto* send = std::get_if<enroll::SendBytes>(&effect)) {
      // What is installed must be served even where the last message does not get through.
      const auto sent = co_await stream.write_all(send->bytes, parts_.timeouts.head);
      goes_on = goes_on && sent.has_value();
    } else if (std::holds_alternative<enroll::Paired>(effect)) {
      unproven_.erase(&stream);
      proved_.insert(&stream);
    } else if (auto* network = std::get_if<enroll::NetworkGiven>(&effect)) {
      given = std::move(network->credentials);
    } else if (const auto* installed = std::get_if<enroll::Installed>(&effect)) {
      parts_.device.on_installed(*installed);
    } else if (const auto* failed = std::get_if<enroll::Failed>(&effect)) {
      spdlog::info("pairing ended: {}", wire::name_of(failed->error.code));
      // Only what cost an attempt is worth a line: strangers must not be able to fill the trail.
      if (failed->error.code == wire::ErrorCode::kWrongCode) {
        parts_.device.audit("wrong_code");
      }
      goes_on = false;
    }
  }
  co_return goes_on;
}

}  // namespace latchkey::device
