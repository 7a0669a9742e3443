// The server's half of TLS: for each ClientHello somebody else decides which certificate is shown,
// and whether there is one at all. There is no default certificate.
//
// Session tickets belong to the persona that made them: OpenSSL's ticket keys live in the one
// SSL_CTX, so the ticket-key callback looks up the key of the persona chosen for this ClientHello,
// and a ticket made under another (or one that has ended) simply does not open. The session id
// context separates them a second time. The handshake goes on without resumption then.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "net/task.h"
#include "net/tls_identity.h"

struct ssl_ctx_st;
struct ssl_st;

namespace latchkey::net {

// Keys for the session tickets of one persona (RFC 5077 section 4). Wiped with the last user.
struct TicketKey {
  ByteArray<16> name{};
  SecretBytes encryption;  // 32, AES-256-CBC
  SecretBytes mac;         // 32, HMAC-SHA256
  static std::shared_ptr<const TicketKey> make(Random& random);
};

// What a ClientHello says, as far as it decides anything. Views last for the call only.
struct ClientHello {
  std::optional<std::string_view> sni;  // not there, or one DNS name as sent
  bool offers_alpn = false;
  std::vector<std::string_view> alpn;
};

struct Persona {
  std::shared_ptr<const TlsIdentity> identity;
  std::string alpn;  // what to select; empty where the client offered nothing
  bool asks_client_certificate = false;
  std::shared_ptr<const TicketKey> tickets;  // null: no tickets
  std::uint64_t tag = 0;                     // handed to whoever serves the connection
};

enum class HelloRefusal { kUnrecognizedName, kNoApplicationProtocol, kHandshakeFailure };

using ChoosePersona = std::function<std::variant<Persona, HelloRefusal>(const ClientHello&)>;

// Lives longer than its connections. Client certificates are taken as they come, with whatever key
// and dates: the caller judges the key at every request.
class TlsServerContext {
 public:
  explicit TlsServerContext(ChoosePersona choose);
  ~TlsServerContext();
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  [[nodiscard]] ssl_ctx_st* handle() const { return context_; }  // for tls_*.cc
  // For tls_*.cc: what was chosen for a connection whose ClientHello has been read.
  struct Chosen {
    std::string sni;
    Persona persona;
  };
  static int chosen_index();  // of Chosen in the ex_data of an SSL

 private:
  static int on_client_hello(ssl_st* ssl, int* alert, void* self);
  ChoosePersona choose_;
  ssl_ctx_st* context_;
};

}  // namespace latchkey::net
