// A device and an agent in one process over loopback: real TLS, real pairing, a store on disk. For
// tests only.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "crypto/x509.h"
#include "device/access_log.h"
#include "device/device.h"
#include "device/page_acts.h"
#include "device/profile.h"
#include "device/server.h"
#include "enroll/session.h"
#include "net/http_stream.h"
#include "net/tls_stream.h"
#include "pki/pki.h"
#include "store/sealer.h"

namespace latchkey::device::testing {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// The system's clocks, that can be set forward.
class TestClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override { return system_.wall_now() + ahead; }
  [[nodiscard]] MonoTime mono_now() const override { return system_.mono_now() + ahead; }
  seconds ahead{0};

 private:
  net::SystemClock system_;
};

// What the agent knows of one grant.
struct AgentGrant {
  GrantId id;
  HostName host;
  std::optional<Origin> origin;
  std::string sub = "AAAAAAAAAAAAAAAAAAAAAA";
  crypto::PrivateKey ticket_key = crypto::PrivateKey::generate();
  std::optional<pki::Authority> ca;
  Bytes leaf;
};

class Agent final : public enroll::AgentDesk {
 public:
  Agent(Random& random, const Clock& clock);
  wire::Offer make_offer(const HostName& host, std::optional<Origin> origin);
  wire::Result<Planned> plan(const DeviceId& device) override;
  wire::Result<wire::CertMessage> issue(const GrantId& grant, const wire::CsrMessage& message,
                                        const enroll::AcceptedCsr& accepted) override;
  wire::Result<void> installed(const GrantId& grant, std::uint16_t port) override;
  wire::CertMessage certify(AgentGrant& grant, const crypto::PublicKey& key);
  std::string ticket(const AgentGrant& grant, std::optional<std::string> nonce = std::nullopt);

  crypto::PrivateKey management_key = crypto::PrivateKey::generate();
  pki::Authority root;
  std::map<GrantId, AgentGrant> grants;
  HostName next_host = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  std::optional<Origin> next_origin = Origin::parse("https://video.example");

 private:
  Random& random_;
  const Clock& clock_;
};

// One connection of a page, or of something that behaves worse.
struct Page {
  std::unique_ptr<net::TlsStream> stream;
  std::unique_ptr<net::HttpStream> http;
};

class House : public ::testing::Test {
 public:
  House();
  ~House() override;

  // Makes the backend and starts the device; to be called once in each test.
  void start(std::unique_ptr<Backend> backend, Timeouts timeouts = {}, Limits limits = {});
  void restart();
  // Runs a coroutine to its end.
  template <class T>
  T run(net::Task<T> task);
  // Lets the loop turn until `done` says so.
  template <class F>
  void wait_until(F done);
  void spawn(net::Task<void> task);

  // Pairs with a fresh code; the grant's id.
  GrantId pair();
  std::optional<wire::Error> pair_with(pairing::PairingCode code);
  // The agent's side of pairing; nothing: it is done.
  net::Task<std::optional<wire::Error>> pair_over(net::ByteStream& stream, Digest256 binding,
                                                  std::optional<DeviceId> shown,
                                                  pairing::PairingCode code);
  pairing::PairingCode open_window();
  net::Task<net::Result<std::unique_ptr<net::TlsStream>>> dial(net::TlsClientConfig config);
  net::Task<Page> open_page(const AgentGrant& grant);
  net::Task<net::HttpAnswer> ask(Page& page, wire::HttpRequestHead head, Bytes body = {});
  // A request as the grant's page sends it, with the session if there is one.
  wire::HttpRequestHead request(const AgentGrant& grant, std::string method, std::string target);
  // Exchanges a ticket; keeps the cookie for request().
  net::Task<int> sign_in(AgentGrant grant);
  struct Managed {
    int status = 0;
    Bytes body;
    Digest256 exporter{};
  };
  // One management request on a connection of its own; `body` may depend on the exporter.
  net::Task<Managed> manage(std::string method, std::string target, Bytes body = {});

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  AgentGrant& grant(const GrantId& id) { return agent_.grants.at(id); }
  asio::ip::tcp::endpoint endpoint() const;

  asio::io_context io_{1};
  TestClock clock_;
  net::SystemRandom random_;
  std::filesystem::path folder_;
  store::FileModeSealer sealer_;
  Agent agent_{random_, clock_};
  std::unique_ptr<store::DeviceStore> store_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<WindowOpener> opener_;
  std::unique_ptr<PageActs> page_;
  std::unique_ptr<AccessLog> log_;
  front::Metrics metrics_;
  bool may_open_window_ = true;
  std::unique_ptr<Server> server_;
  Timeouts timeouts_;
  Limits limits_;
  std::uint16_t port_ = 0;
  std::string cookie_;
  int running_ = 0;

 private:
  void bring_up();
  void bring_down();
};

template <class F>
void House::wait_until(F done) {
  io_.restart();
  const net::Deadline until = net::after(20s);
  while (!done() && std::chrono::steady_clock::now() < until) {
    io_.run_one_for(100ms);
    io_.restart();
  }
  ASSERT_TRUE(done());
}

template <class T>
T House::run(net::Task<T> task) {
  std::optional<T> result;
  bool ended = false;
  asio::co_spawn(io_, std::move(task), [&](const std::exception_ptr& error, T value) {
    ended = true;
    if (!error) {
      result = std::move(value);
    }
  });
  wait_until([&] { return ended; });
  LATCHKEY_CHECK(result.has_value());
  return *std::move(result);
}

}  // namespace latchkey::device::testing
