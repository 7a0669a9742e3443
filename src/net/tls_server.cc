#include "net/tls_server.h"

#include <openssl/ssl.h>

#include <cstring>

#include "crypto/hash.h"

namespace latchkey::net {

namespace {

using Chosen = TlsServerContext::Chosen;

constexpr long kMaxPeerChain = 16384;

Chosen* chosen_of(const SSL* ssl) {
  return static_cast<Chosen*>(SSL_get_ex_data(ssl, TlsServerContext::chosen_index()));
}

// RFC 6066 section 3: a list of one name of type 0. False where it is anything else.
bool read_sni(SSL* ssl, std::optional<std::string_view>& sni) {
  const unsigned char* at = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &size) != 1) {
    return true;
  }
  if (size < 5 || static_cast<std::size_t>(at[0] << 8 | at[1]) + 2 != size || at[2] != 0 ||
      static_cast<std::size_t>(at[3] << 8 | at[4]) + 5 != size || size - 5 > 255) {
    return false;
  }
  sni = std::string_view(reinterpret_cast<const char*>(at) + 5, size - 5);
  return true;
}

// RFC 7301 section 3.1.
bool read_alpn(SSL* ssl, ClientHello& hello) {
  const unsigned char* at = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &at,
                                &size) != 1) {
    return true;
  }
  hello.offers_alpn = true;
  if (size < 2 || static_cast<std::size_t>(at[0] << 8 | at[1]) + 2 != size) {
    return false;
  }
  std::size_t offset = 2;
  while (offset < size) {
    const std::size_t length = at[offset];
    if (length == 0 || offset + 1 + length > size) {
      return false;
    }
    hello.alpn.emplace_back(reinterpret_cast<const char*>(at) + offset + 1, length);
    offset += 1 + length;
  }
  return !hello.alpn.empty();
}

int alert_for(HelloRefusal refusal) {
  switch (refusal) {
    case HelloRefusal::kUnrecognizedName:
      return SSL_AD_UNRECOGNIZED_NAME;
    case HelloRefusal::kNoApplicationProtocol:
      return SSL_AD_NO_APPLICATION_PROTOCOL;
    case HelloRefusal::kHandshakeFailure:
      return SSL_AD_HANDSHAKE_FAILURE;
  }
  return SSL_AD_INTERNAL_ERROR;
}

bool apply(SSL* ssl, const Persona& persona, std::string_view sni) {
  if (!persona.identity || !persona.identity->use_on(ssl)) {
    return false;
  }
  if (persona.asks_client_certificate) {
    SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  if (!persona.tickets) {
    // In TLS 1.3 the option alone makes tickets stateful; with no tickets sent and no session cache
    // there is nothing to resume.
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_set_num_tickets(ssl, 0);
  }
  const Digest256 scope =
      crypto::sha256({as_bytes(persona.alpn), as_bytes(std::string_view("\0", 1)), as_bytes(sni)});
  return SSL_set_session_id_context(ssl, scope.data(), scope.size()) == 1;
}

int select_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                const unsigned char* /*offered*/, unsigned int /*size*/, void* /*unused*/) {
  const Chosen* chosen = chosen_of(ssl);
  if (chosen == nullptr || chosen->persona.alpn.empty()) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = reinterpret_cast<const unsigned char*>(chosen->persona.alpn.data());
  *out_size = static_cast<unsigned char>(chosen->persona.alpn.size());
  return SSL_TLSEXT_ERR_OK;
}

// Looked up by name once, not for each ticket.
const EVP_CIPHER* ticket_cipher() {
  static EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  LATCHKEY_CHECK(kCipher != nullptr);
  return kCipher;
}

// By OpenSSL's names for a MAC's parameters (OSSL_MAC_PARAM_KEY, OSSL_MAC_PARAM_DIGEST).
bool set_mac(EVP_MAC_CTX* mac, const TicketKey& key) {
  std::string digest = "SHA256";
  const OSSL_PARAM params[] = {
      {"key", OSSL_PARAM_OCTET_STRING, const_cast<std::uint8_t*>(key.mac.span().data()),
       key.mac.size(), 0},
      {"digest", OSSL_PARAM_UTF8_STRING, digest.data(), digest.size(), 0},
      {nullptr, 0, nullptr, 0, 0}};
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

// 1: go on; 0: no such key, a full handshake; negative: fail.
int ticket_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
               EVP_MAC_CTX* mac, int encrypt) {
  const Chosen* chosen = chosen_of(ssl);
  if (chosen == nullptr || !chosen->persona.tickets) {
    return 0;
  }
  const TicketKey& key = *chosen->persona.tickets;
  const unsigned char* secret = key.encryption.span().data();
  if (encrypt == 1) {
    SystemRandom().fill({iv, static_cast<std::size_t>(EVP_MAX_IV_LENGTH)});
    std::memcpy(name, key.name.data(), key.name.size());
    return EVP_EncryptInit_ex(cipher, ticket_cipher(), nullptr, secret, iv) == 1 &&
                   set_mac(mac, key)
               ? 1
               : -1;
  }
  if (std::memcmp(name, key.name.data(), key.name.size()) != 0) {
    return 0;
  }
  return EVP_DecryptInit_ex(cipher, ticket_cipher(), nullptr, secret, iv) == 1 && set_mac(mac, key)
             ? 1
             : -1;
}

int take_any_client_certificate(X509_STORE_CTX* /*unused*/, void* /*unused*/) {
  return 1;
}

void free_chosen(void* /*parent*/, void* chosen, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                 long /*argl*/, void* /*argp*/) {
  delete static_cast<Chosen*>(chosen);
}

}  // namespace

std::shared_ptr<const TicketKey> TicketKey::make(Random& random) {
  auto key = std::make_shared<TicketKey>();
  random.fill(key->name);
  key->encryption = SecretBytes(32);
  random.fill(key->encryption.writable());
  key->mac = SecretBytes(32);
  random.fill(key->mac.writable());
  return key;
}

int TlsServerContext::chosen_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_chosen);
  return index;
}

TlsServerContext::TlsServerContext(ChoosePersona choose)
    : choose_(std::move(choose)), context_(SSL_CTX_new(TLS_server_method())) {
  LATCHKEY_CHECK(context_ != nullptr && chosen_index() >= 0);
  LATCHKEY_CHECK(SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION) == 1);
  LATCHKEY_CHECK(SSL_CTX_set_max_proto_version(context_, TLS1_3_VERSION) == 1);
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
  // One ticket: each costs a handshake's twentieth, and a resumed connection brings the next.
  LATCHKEY_CHECK(SSL_CTX_set_num_tickets(context_, 1) == 1);
  // Otherwise each record costs two calls of read(2): for its head, and for the rest.
  SSL_CTX_set_read_ahead(context_, 1);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_early_data(context_, 0);
  SSL_CTX_set_recv_max_early_data(context_, 0);
  SSL_CTX_set_max_cert_list(context_, kMaxPeerChain);
  SSL_CTX_set_client_hello_cb(context_, on_client_hello, this);
  SSL_CTX_set_alpn_select_cb(context_, select_alpn, nullptr);
  SSL_CTX_set_cert_verify_callback(context_, take_any_client_certificate, nullptr);
  LATCHKEY_CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(context_, ticket_key) == 1);
}

TlsServerContext::~TlsServerContext() {
  SSL_CTX_free(context_);
}

int TlsServerContext::on_client_hello(SSL* ssl, int* alert, void* self) {
  auto* context = static_cast<TlsServerContext*>(self);
  ClientHello hello;
  if (chosen_of(ssl) != nullptr) {
    return SSL_CLIENT_HELLO_SUCCESS;  // the second one, after HelloRetryRequest
  }
  if (!read_sni(ssl, hello.sni) || !read_alpn(ssl, hello)) {
    *alert = SSL_AD_DECODE_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  auto choice = context->choose_(hello);
  if (const auto* refusal = std::get_if<HelloRefusal>(&choice)) {
    *alert = alert_for(*refusal);
    return SSL_CLIENT_HELLO_ERROR;
  }
  auto chosen = std::make_unique<Chosen>(
      Chosen{std::string(hello.sni.value_or("")), std::get<Persona>(std::move(choice))});
  if (!apply(ssl, chosen->persona, chosen->sni) ||
      SSL_set_ex_data(ssl, chosen_index(), chosen.get()) != 1) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  (void)chosen.release();  // the SSL frees it
  return SSL_CLIENT_HELLO_SUCCESS;
}

}  // namespace latchkey::net
