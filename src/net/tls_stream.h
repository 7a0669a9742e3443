// TLS 1.3 over a socket: a non-blocking SSL bound to the descriptor (SSL_set_fd) and awaited
// through Asio. asio::ssl::stream costs five times the memory per idle connection. No early data,
// no older versions, no renegotiation.
//
// OpenSSL writes with write(2): programs ignore SIGPIPE.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/tls_identity.h"

struct ssl_ctx_st;

namespace latchkey::net {

// How a client judges the server, before anything of its own (its certificate too) is sent.
struct VerifyKey {
  // The SubjectPublicKeyInfo's certificate in DER, as shown; false ends the handshake. That the
  // server holds the key is proved by TLS before the client goes on.
  std::function<bool(ByteSpan certificate)> accept;
};
struct VerifyRoot {
  Bytes root;                   // DER
  std::string host;             // must be the certificate's
  std::optional<WallTime> now;  // the system's clock where not set
};
struct VerifyNone {};  // for tests, and for looking at a key before judging it

struct TlsClientConfig {
  std::optional<std::string> sni;
  std::vector<std::string> alpn;  // refused when the server picks none of them
  std::variant<VerifyKey, VerifyRoot, VerifyNone> verify;
  std::shared_ptr<const TlsIdentity> identity;  // shown when the server asks
};

// A session ticket a server gave, to be offered on a later connection. Only tests resume.
struct TlsSession;
struct TlsSessionDeleter {
  void operator()(TlsSession* session) const;
};
using TlsSessionPtr = std::unique_ptr<TlsSession, TlsSessionDeleter>;

class TlsServerContext;

class TlsStream final : public ByteStream {
 public:
  static Task<Result<std::unique_ptr<TlsStream>>> connect(Executor executor,
                                                          boost::asio::ip::tcp::endpoint to,
                                                          TlsClientConfig config,
                                                          Deadline deadline);
  // As connect, on a socket that is connected already (taken over), resuming `session` if given.
  static Task<Result<std::unique_ptr<TlsStream>>> client(Executor executor, int fd,
                                                         TlsClientConfig config, Deadline deadline,
                                                         TlsSession* session = nullptr);
  // The server's side of a handshake on an accepted socket, taken over. `context` outlives it.
  static Task<Result<std::unique_ptr<TlsStream>>> accept(Executor executor, int fd,
                                                         const TlsServerContext& context,
                                                         Deadline deadline);
  ~TlsStream() override;

  Task<Result<std::size_t>> read_some(std::span<std::uint8_t> into, Deadline deadline) override;
  Task<Result<void>> readable(Deadline deadline) override;
  Task<Result<void>> write_all(ByteSpan bytes, std::chrono::milliseconds stall) override;
  Task<void> shutdown() override;
  void close() override;
  [[nodiscard]] bool is_open() const override { return fd_->is_open(); }

  // RFC 8446 section 7.5: 32 bytes for `label` with an empty context.
  [[nodiscard]] Result<ByteArray<32>> exporter(std::string_view label) const;
  [[nodiscard]] std::optional<Bytes> peer_certificate() const;  // DER, as shown
  [[nodiscard]] std::string alpn() const;                       // empty: none
  // Server: what the client asked for, and the persona's tag (tls_server.h).
  [[nodiscard]] const std::string& sni() const { return sni_; }
  [[nodiscard]] std::uint64_t tag() const { return tag_; }
  [[nodiscard]] bool resumed() const;
  [[nodiscard]] TlsSessionPtr session() const;  // client: the newest ticket; null if none came
  // What waits to read, and whoever reads after it, finds the end; what was written still goes out.
  void stop_reading();
  [[nodiscard]] int native() const { return fd_->fd(); }

 private:
  struct SslDeleter {
    void operator()(ssl_st* ssl) const;
  };
  using SslPtr = std::unique_ptr<ssl_st, SslDeleter>;
  TlsStream(std::shared_ptr<WatchedFd> fd, SslPtr ssl) : fd_(std::move(fd)), ssl_(std::move(ssl)) {}
  Task<Result<void>> handshake(Deadline deadline);
  // After an SSL call that returned `result`: waits for what it needs, or says why it failed. True:
  // the peer ended in order.
  Task<Result<bool>> wait_for(int result, Deadline deadline);

  std::shared_ptr<WatchedFd> fd_;
  SslPtr ssl_;
  std::string sni_;
  std::uint64_t tag_ = 0;
  std::shared_ptr<void> keep_;  // what callbacks of this connection refer to
};

}  // namespace latchkey::net
