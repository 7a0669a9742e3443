// The agent's connections to a device: for pairing (docs/protocol.md section 2), for management
// (section 7), and to look whether a host is served as it should be. No redirects, no retries, no
// session tickets; all answers bounded, all waits with a deadline.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/host_name.h"
#include "base/ids.h"
#include "crypto/keys.h"
#include "net/http_stream.h"
#include "net/tls_stream.h"

namespace latchkey::net {

using Endpoint = boost::asio::ip::tcp::endpoint;
using Endpoints = std::vector<Endpoint>;

struct DeviceError {
  enum class Code {
    kUnreachable,  // nothing answered at any of the addresses
    kNotPairing,   // something is there, but its pairing window is closed
    kOtherKey,     // something is there, but it is not the device that is meant
    kBroken,       // it answered with something that is not the protocol
  };
  Code code = Code::kUnreachable;
  std::string detail;
  bool timed_out = false;  // silence, and not a refusal
};
template <class T>
using DeviceResult = latchkey::Result<T, DeviceError>;

// One address after the other, each of them at most so long.
inline constexpr std::chrono::milliseconds kPerAddress = std::chrono::seconds(4);

struct PairLink {
  std::unique_ptr<TlsStream> stream;
  Digest256 channel_binding{};
  crypto::PublicKey bootstrap_key;
  Endpoint endpoint;
};
Task<DeviceResult<PairLink>> connect_pairing(Executor executor, Endpoints endpoints);

class ManageClient {
 public:
  static constexpr std::size_t kMaxAnswer = 65536;
  static constexpr std::chrono::milliseconds kAnswerTime = std::chrono::seconds(10);

  // The server's key is compared with `pinned` before anything of ours is sent, the certificate of
  // `management_key` included.
  static Task<DeviceResult<std::unique_ptr<ManageClient>>> connect(
      Executor executor, Endpoints endpoints, SpkiHash pinned, crypto::PrivateKey management_key);

  struct Answer {
    int status = 0;
    Bytes body;
  };
  struct Request {
    std::string method;
    std::string target;
    Bytes body;    // CBOR, may be empty
    WallTime now;  // Latchkey-Time
  };
  Task<DeviceResult<Answer>> ask(Request request);
  [[nodiscard]] const Digest256& exporter() const { return exporter_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

 private:
  ManageClient(std::unique_ptr<TlsStream> stream, const Digest256& exporter, Endpoint endpoint)
      : stream_(std::move(stream)),
        http_(*stream_),
        exporter_(exporter),
        endpoint_(std::move(endpoint)) {}
  std::unique_ptr<TlsStream> stream_;
  HttpStream http_;
  Digest256 exporter_{};
  Endpoint endpoint_;
};

// Whether `host` is served there, under `root`, with exactly this leaf.
Task<DeviceResult<void>> try_host(Executor executor, Endpoint endpoint, HostName host, Bytes root,
                                  Bytes leaf);

}  // namespace latchkey::net
