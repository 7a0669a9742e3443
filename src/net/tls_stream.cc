#include "net/tls_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "net/readiness.h"
#include "net/tls_server.h"

namespace latchkey::net {

namespace asio = boost::asio;

namespace {

// A peer that always keeps up never makes us wait; let others have a turn after this much.
constexpr std::size_t kTurn = 256 * 1024;

struct CtxDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using CtxPtr = std::unique_ptr<SSL_CTX, CtxDeleter>;

SSL_CTX* client_context() {
  static const CtxPtr context = [] {
    CtxPtr made(SSL_CTX_new(TLS_client_method()));
    LATCHKEY_CHECK(made != nullptr);
    LATCHKEY_CHECK(SSL_CTX_set_min_proto_version(made.get(), TLS1_3_VERSION) == 1);
    SSL_CTX_set_mode(made.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                     SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_max_cert_list(made.get(), 16384);
    return made;
  }();
  return context.get();
}

struct ClientState {
  TlsClientConfig config;
};

int client_state_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Called with the server's Certificate message, before anything of ours follows the ClientHello.
// That the server holds the key is proved by its CertificateVerify, which OpenSSL checks next.
int judge_server(X509_STORE_CTX* store, void* /*unused*/) {
  auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const auto* state = static_cast<ClientState*>(SSL_get_ex_data(ssl, client_state_index()));
  if (const auto* by_key = std::get_if<VerifyKey>(&state->config.verify)) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(X509_STORE_CTX_get0_cert(store), &der);
    const bool good =
        size > 0 && by_key->accept && by_key->accept({der, static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    X509_STORE_CTX_set_error(store, good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    return good ? 1 : 0;
  }
  return X509_verify_cert(store) > 0 ? 1 : 0;
}

bool set_root(SSL* ssl, const VerifyRoot& verify) {
  const unsigned char* at = verify.root.data();
  X509* root = d2i_X509(nullptr, &at, static_cast<long>(verify.root.size()));
  X509_STORE* store = X509_STORE_new();
  const bool stored = root != nullptr && store != nullptr && X509_STORE_add_cert(store, root) == 1;
  X509_free(root);
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  if (verify.now) {
    X509_VERIFY_PARAM_set_time(param, verify.now->unix_seconds);
  }
  const bool good = stored && SSL_set0_verify_cert_store(ssl, store) == 1;
  if (!good) {
    X509_STORE_free(store);
  }
  return good && X509_VERIFY_PARAM_set1_host(param, verify.host.data(), verify.host.size()) == 1;
}

bool configure_client(SSL* ssl, ClientState& state) {
  const TlsClientConfig& config = state.config;
  Bytes protocols;
  for (const std::string& name : config.alpn) {
    LATCHKEY_CHECK(!name.empty() && name.size() < 256);
    protocols.push_back(static_cast<std::uint8_t>(name.size()));
    append(protocols, name);
  }
  // SSL_set_alpn_protos returns 0 for success.
  if (!protocols.empty() &&
      SSL_set_alpn_protos(ssl, protocols.data(), static_cast<unsigned>(protocols.size())) != 0) {
    return false;
  }
  if (config.sni && SSL_set_tlsext_host_name(ssl, config.sni->c_str()) != 1) {
    return false;
  }
  if (config.identity && !config.identity->use_on(ssl)) {
    return false;
  }
  const auto* root = std::get_if<VerifyRoot>(&config.verify);
  if (root != nullptr && !set_root(ssl, *root)) {
    return false;
  }
  const bool verifies = !std::holds_alternative<VerifyNone>(config.verify);
  SSL_set_verify(ssl, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return client_state_index() >= 0 && SSL_set_ex_data(ssl, client_state_index(), &state) == 1;
}

// Tells what OpenSSL's reading and writing found out about the socket. At once: by the time that
// somebody waits, an edge may have come.
struct Telling {
  Readiness& readiness;
  int fd;
};

long tell(BIO* bio, int operation, const char* /*data*/, std::size_t size, int /*argi*/,
          long /*argl*/, int result, std::size_t* processed) {
  const bool reads = operation == (BIO_CB_READ | BIO_CB_RETURN);
  if (reads || operation == (BIO_CB_WRITE | BIO_CB_RETURN)) {
    const auto* to = reinterpret_cast<const Telling*>(BIO_get_callback_arg(bio));
    if (result <= 0 && BIO_should_retry(bio) != 0) {
      to->readiness.note_blocked(to->fd, reads ? WatchedFd::Side::kRead : WatchedFd::Side::kWrite);
    } else if (reads && result > 0 && *processed > 0 && *processed < size) {
      to->readiness.note_short_read(to->fd);
    }
  }
  return result;
}

SSL_SESSION* as_session(TlsSession* session) {
  return reinterpret_cast<SSL_SESSION*>(session);
}

}  // namespace

void TlsSessionDeleter::operator()(TlsSession* session) const {
  SSL_SESSION_free(as_session(session));
}

void TlsStream::SslDeleter::operator()(ssl_st* ssl) const {
  SSL_free(ssl);
}

TlsStream::~TlsStream() {
  // The descriptor goes after the SSL that writes to it.
  ssl_.reset();
  fd_->close();
}

Task<Result<std::unique_ptr<TlsStream>>> TlsStream::connect(Executor executor,
                                                            asio::ip::tcp::endpoint to,
                                                            TlsClientConfig config,
                                                            Deadline deadline) {
  const Result<int> fd = co_await connect_tcp(executor, to, deadline);
  if (!fd) {
    co_return fail(fd.error());
  }
  co_return co_await client(executor, *fd, std::move(config), deadline);
}

Task<Result<std::unique_ptr<TlsStream>>> TlsStream::client(Executor executor, int fd,
                                                           TlsClientConfig config,
                                                           Deadline deadline, TlsSession* session) {
  auto watched = WatchedFd::take(executor, fd);
  static const bool judged = [] {
    SSL_CTX_set_cert_verify_callback(client_context(), judge_server, nullptr);
    return true;
  }();
  (void)judged;
  SslPtr ssl(SSL_new(client_context()));
  auto state = std::make_shared<ClientState>(ClientState{std::move(config)});
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1 || !configure_client(ssl.get(), *state) ||
      (session != nullptr && SSL_set_session(ssl.get(), as_session(session)) != 1)) {
    co_return fail(Error{Error::Code::kTls, take_tls_error()});
  }
  SSL_set_connect_state(ssl.get());
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(watched), std::move(ssl)));
  stream->sni_ = state->config.sni.value_or("");
  stream->keep_ = state;
  const auto shaken = co_await stream->handshake(deadline);
  if (!shaken) {
    co_return fail(shaken.error());
  }
  if (!state->config.alpn.empty() && stream->alpn().empty()) {
    co_return fail(Error{Error::Code::kTls, "the server speaks another protocol"});
  }
  co_return stream;
}

Task<Result<std::unique_ptr<TlsStream>>> TlsStream::accept(Executor executor, int fd,
                                                           const TlsServerContext& context,
                                                           Deadline deadline) {
  auto watched = WatchedFd::take(executor, fd);
  const int one = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  SslPtr ssl(SSL_new(context.handle()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) {
    co_return fail(Error{Error::Code::kTls, take_tls_error()});
  }
  SSL_set_accept_state(ssl.get());
  const auto telling = std::make_shared<Telling>(Telling{Readiness::of(executor), fd});
  BIO_set_callback_arg(SSL_get_rbio(ssl.get()), reinterpret_cast<char*>(telling.get()));
  BIO_set_callback_ex(SSL_get_rbio(ssl.get()), tell);
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(watched), std::move(ssl)));
  stream->keep_ = telling;
  const auto shaken = co_await stream->handshake(deadline);
  if (!shaken) {
    co_return fail(shaken.error());
  }
  const auto* chosen = static_cast<TlsServerContext::Chosen*>(
      SSL_get_ex_data(stream->ssl_.get(), TlsServerContext::chosen_index()));
  LATCHKEY_CHECK(chosen != nullptr);
  stream->sni_ = chosen->sni;
  stream->tag_ = chosen->persona.tag;
  co_return stream;
}

Task<Result<bool>> TlsStream::wait_for(int result, Deadline deadline) {
  const auto fd = fd_;
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: {
      const auto ready = co_await fd->wait(WatchedFd::Side::kRead, deadline);
      co_return ready ? Result<bool>(false) : fail(ready.error());
    }
    case SSL_ERROR_WANT_WRITE: {
      const auto ready = co_await fd->wait(WatchedFd::Side::kWrite, deadline);
      co_return ready ? Result<bool>(false) : fail(ready.error());
    }
    case SSL_ERROR_ZERO_RETURN:
      co_return true;
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      co_return fail(Error{Error::Code::kClosed,
                           saved_errno == 0 ? "cut off" : std::string("connection lost")});
    default: {
      const bool cut = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
      const std::string text = take_tls_error();
      co_return fail(Error{cut ? Error::Code::kClosed : Error::Code::kTls, text});
    }
  }
}

Task<Result<void>> TlsStream::handshake(Deadline deadline) {
  while (fd_->is_open()) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      co_return Result<void>{};
    }
    const auto waited = co_await wait_for(result, deadline);
    if (!waited) {
      co_return fail(waited.error());
    }
    if (*waited) {
      co_return fail(Error{Error::Code::kClosed, "ended during the handshake"});
    }
  }
  co_return fail(Error{Error::Code::kClosed, "closed here"});
}

Task<Result<std::size_t>> TlsStream::read_some(std::span<std::uint8_t> into, Deadline deadline) {
  while (fd_->is_open()) {
    ERR_clear_error();
    errno = 0;
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
    if (result == 1) {
      co_return got;
    }
    const auto waited = co_await wait_for(result, deadline);
    if (!waited) {
      co_return fail(waited.error());
    }
    if (*waited) {
      co_return 0U;
    }
  }
  co_return fail(Error{Error::Code::kClosed, "closed here"});
}

Task<Result<void>> TlsStream::readable(Deadline deadline) {
  if (SSL_has_pending(ssl_.get()) == 1) {
    co_return Result<void>{};
  }
  const auto fd = fd_;
  co_return co_await fd->wait(WatchedFd::Side::kRead, deadline);
}

Task<Result<void>> TlsStream::write_all(ByteSpan bytes, std::chrono::milliseconds stall) {
  std::size_t since_turn = 0;
  while (!bytes.empty()) {
    if (!fd_->is_open()) {
      co_return fail(Error{Error::Code::kClosed, "closed here"});
    }
    ERR_clear_error();
    errno = 0;
    std::size_t sent = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
    if (result == 1) {
      bytes = bytes.subspan(sent);
      since_turn += sent;
      if (since_turn >= kTurn) {
        since_turn = 0;
        co_await asio::post(fd_->executor(), asio::use_awaitable);
      }
      continue;
    }
    const auto waited = co_await wait_for(result, after(stall));
    if (!waited) {
      co_return fail(waited.error());
    }
    if (*waited) {
      co_return fail(Error{Error::Code::kClosed, "the peer has ended"});
    }
  }
  co_return Result<void>{};
}

Task<void> TlsStream::shutdown() {
  // One try: close_notify fits into the socket's buffer, or the peer does not read anyway.
  if (fd_->is_open() && SSL_is_init_finished(ssl_.get()) == 1) {
    ERR_clear_error();
    (void)SSL_shutdown(ssl_.get());
    (void)::shutdown(fd_->fd(), SHUT_WR);
  }
  co_return;
}

void TlsStream::stop_reading() {
  if (fd_->is_open()) {
    (void)::shutdown(fd_->fd(), SHUT_RD);
  }
}

void TlsStream::close() {
  fd_->abort();
}

Result<ByteArray<32>> TlsStream::exporter(std::string_view label) const {
  ByteArray<32> out{};
  const unsigned char empty = 0;
  if (SSL_export_keying_material(ssl_.get(), out.data(), out.size(), label.data(), label.size(),
                                 &empty, 0, 1) != 1) {
    return fail(Error{Error::Code::kTls, take_tls_error()});
  }
  return out;
}

std::optional<Bytes> TlsStream::peer_certificate() const {
  X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate == nullptr) {
    return std::nullopt;
  }
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) {
    return std::nullopt;
  }
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

std::string TlsStream::alpn() const {
  const unsigned char* at = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &at, &size);
  return size == 0 ? std::string() : std::string(reinterpret_cast<const char*>(at), size);
}

bool TlsStream::resumed() const {
  return SSL_session_reused(ssl_.get()) == 1;
}

TlsSessionPtr TlsStream::session() const {
  SSL_SESSION* session = SSL_get1_session(ssl_.get());
  if (session != nullptr && SSL_SESSION_is_resumable(session) != 1) {
    SSL_SESSION_free(session);
    session = nullptr;
  }
  return TlsSessionPtr(reinterpret_cast<TlsSession*>(session));
}

}  // namespace latchkey::net
