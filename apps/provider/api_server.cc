#include "api_server.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>

#include "attest/metadata.h"
#include "base/encoding.h"
#include "crypto/hash.h"

namespace latchkey::providerd {
namespace {

namespace asio = boost::asio;

constexpr int kBacklog = 256;
constexpr std::size_t kPiece = 262144;

bool is_api(std::string_view target) {
  return target.starts_with("/v1/") || target == "/openapi.json";
}

std::string error_body(const char* code, const char* message) {
  return std::string(R"({"error":{"code":")") + code + R"(","message":")" + message + "\"}}";
}

net::Error system_error() {
  return {net::Error::Code::kSystem, std::strerror(errno)};
}

}  // namespace

class ApiServer::Seat {
 public:
  Seat(ApiServer& server, std::string peer) : server_(server), peer_(std::move(peer)) {
    ++server_.open_;
    ++server_.peers_[peer_];
  }
  ~Seat() {
    --server_.open_;
    if (--server_.peers_[peer_] == 0) {
      server_.peers_.erase(peer_);
    }
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

 private:
  ApiServer& server_;
  std::string peer_;
};

ApiServer::ApiServer(net::Executor executor, Parts parts, ServeLimits limits)
    : executor_(executor),
      parts_(std::move(parts)),
      limits_(limits),
      tls_([this](const net::ClientHello& hello) -> std::variant<net::Persona, net::HelloRefusal> {
        const bool http = std::ranges::find(hello.alpn, "http/1.1") != hello.alpn.end();
        if (hello.offers_alpn && !http) {
          return net::HelloRefusal::kNoApplicationProtocol;
        }
        net::Persona persona;
        persona.identity = parts_.identity;
        persona.alpn = http ? "http/1.1" : "";
        return persona;
      }),
      tasks_(std::move(executor)) {}

void ApiServer::start(int listener) {
  listener_ = net::WatchedFd::take(executor_, listener);
  tasks_.spawn(net::accept_each(listener_, [this](net::OwnedFd fd, const net::PeerAddress& peer) {
    admit(std::move(fd), peer);
  }));
}

void ApiServer::stop() {
  stopping_ = true;
  if (listener_) {
    listener_->close();
  }
  if (waiting_ == 0) {
    tasks_.cancel();
  }
}

void ApiServer::admit(net::OwnedFd fd, const net::PeerAddress& peer) {
  const std::string key = net::peer_key(peer);
  const auto known = peers_.find(key);
  if (open_ < limits_.connections &&
      (known == peers_.end() || known->second < limits_.per_address)) {
    tasks_.spawn(serve(fd.release(), key, std::make_unique<Seat>(*this, key)));
  }
}

net::Task<void> ApiServer::serve(int fd, std::string peer,
                                 [[maybe_unused]] std::unique_ptr<Seat> seat) {
  auto stream = co_await net::TlsStream::accept(executor_, fd, tls_, net::after(limits_.handshake));
  if (!stream) {
    spdlog::debug("handshake with {}: {}", peer, stream.error().detail);
    co_return;
  }
  net::HttpStream http(**stream);
  while ((*stream)->is_open() && !stopping_) {
    if (http.buffered() == 0) {
      http.release_buffer();
    }
    const auto read = co_await http.read_request(net::after(limits_.idle), limits_.head);
    if (!read) {
      if (http.fault()) {
        Reply reply;
        reply.status = net::status_of(*http.fault());
        reply.body = error_body("invalid", "this is no request that is understood here");
        (void)co_await write_reply(http, std::move(reply), true, false);
      }
      break;
    }
    if (!co_await serve_request(http, peer)) {
      break;
    }
  }
  co_await (*stream)->shutdown();
}

net::Task<bool> ApiServer::serve_request(net::HttpStream& http, const std::string& peer) {
  const wire::HttpRequestHead head = http.message().request_head();
  const bool wants_more = http.message().keep_alive();
  const bool head_only = head.method == "HEAD";
  if (const auto* expect = head.fields.find("Expect");
      expect != nullptr && wire::iequals(*expect, "100-continue") && !http.message().done()) {
    std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)co_await http.write(std::move(go_on), limits_.stall);
  }
  auto body = co_await http.read_all(provider::kMaxApiBody, net::after(limits_.body));
  Reply reply;
  if (!body) {
    if (body.error().code == net::Error::Code::kLimit) {
      reply.status = 413;
      reply.body = error_body("too_large", "a body has up to 1 MiB");
      (void)co_await write_reply(http, std::move(reply), true, false);
    }
    co_return false;
  }
  if (is_api(head.target)) {
    provider::ApiRequest request{head.method, head.target, {}, std::string(as_text(*body))};
    // Two of them could be read in two ways.
    if (head.fields.count("Authorization") == 1) {
      request.authorization = *head.fields.find("Authorization");
    }
    reply = co_await call_api(std::move(request), peer);
  } else {
    reply = file_reply(head.target, head);
  }
  spdlog::info("{} {} {} {}", peer, head.method, head.target.substr(0, head.target.find('?')),
               reply.status);
  co_return co_await write_reply(http, std::move(reply), !head_only, wants_more && !stopping_);
}

net::Task<ApiServer::Reply> ApiServer::call_api(provider::ApiRequest request,
                                                const std::string& peer) {
  Reply reply;
  if (!attempts_.may_try(peer, parts_.clock.mono_now())) {
    reply.status = 429;
    reply.retry_later = true;
    reply.body = error_body("too_many_attempts", "too many wrong tokens came from this address");
    co_return reply;
  }
  if (waiting_ >= limits_.calls) {
    reply.status = 503;
    reply.retry_later = true;
    reply.body = error_body("busy", "too much is going on; try again");
    co_return reply;
  }
  const bool slow = provider::is_slow_call(request.method, request.target);
  // Owned by the work: the connection may end before it does.
  auto work = [call = slow ? parts_.slow : parts_.quick, asked = std::move(request)] {
    return call(asked);
  };
  ++waiting_;
  auto answer =
      co_await (slow ? slow_ : quick_).run(executor_, net::after(limits_.call), std::move(work));
  --waiting_;
  if (!answer) {
    reply.status = 503;
    reply.retry_later = true;
    reply.body = error_body("busy", "no answer in time; look before you repeat a change");
    co_return reply;
  }
  if (answer->status == 401) {
    attempts_.failed(peer, parts_.clock.mono_now());
  }
  if (answer->wants_publication) {
    parts_.publish();
  }
  if (!answer->fault.empty()) {
    spdlog::warn("a call of the API: {}", answer->fault);
  }
  reply.status = answer->status;
  reply.allow = answer->allow;
  reply.body = std::move(answer->body);
  co_return reply;
}

ApiServer::Reply ApiServer::file_reply(const std::string& target,
                                       const wire::HttpRequestHead& head) {
  Reply reply;
  reply.status = 404;
  reply.body = error_body("not_found", "there is nothing at this path");
  const std::string name = target.empty() ? "" : target.substr(1);
  const bool is_page = name == attest::kMetadataFile;
  const bool is_table = name.ends_with(".lkt") || name.ends_with(".lkd");
  // Only names that the publisher gives: no folder, nothing hidden.
  if (parts_.files == nullptr || (!is_page && !is_table) || name.size() > attest::kMaxFileName ||
      name.front() == '.' ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") != std::string::npos) {
    return reply;
  }
  if (head.method != "GET" && head.method != "HEAD") {
    reply.status = 405;
    reply.allow = "GET, HEAD";
    return reply;
  }
  const auto held = parts_.files->read(name);
  if (!held || !*held) {
    return reply;
  }
  // A table's name says what is in it, so it never changes; the page does.
  reply.etag = "\"" +
               (is_page ? hex_encode(ByteSpan(crypto::sha256((*held)->bytes)).first(16)) : name) +
               "\"";
  reply.cache = is_page ? "public, max-age=300" : "public, max-age=31536000, immutable";
  reply.type = is_page ? "application/jose" : "application/octet-stream";
  reply.body.clear();
  const auto* known = head.fields.find("If-None-Match");
  if (known != nullptr && net::list_has_token(*known, reply.etag)) {
    reply.status = 304;
    return reply;
  }
  reply.status = 200;
  reply.file = **held;
  return reply;
}

net::Task<bool> ApiServer::write_reply(net::HttpStream& http, Reply reply, bool with_body,
                                       bool keep) {
  const ByteSpan body = reply.file.keep ? reply.file.bytes : as_bytes(reply.body);
  wire::HttpResponseHead head;
  head.status = reply.status;
  if (reply.status != 304) {
    head.fields.add("Content-Type", reply.type);
    head.fields.add("Content-Length", std::to_string(body.size()));
  }
  head.fields.add("Cache-Control", reply.cache);
  head.fields.add("X-Content-Type-Options", "nosniff");
  if (!reply.etag.empty()) {
    head.fields.add("ETag", reply.etag);
  }
  if (!reply.allow.empty()) {
    head.fields.add("Allow", reply.allow);
  }
  if (reply.status == 401) {
    head.fields.add("WWW-Authenticate", "Bearer");
  }
  if (reply.retry_later) {
    head.fields.add("Retry-After", "10");
  }
  if (!keep) {
    head.fields.add("Connection", "close");
  }
  std::string start = net::encode_head(head);
  const bool small = with_body && body.size() <= kPiece;
  if (small) {
    start.append(as_text(body));
  }
  if (!co_await http.write(std::move(start), limits_.stall)) {
    co_return false;
  }
  for (std::size_t at = 0; with_body && !small && at < body.size(); at += kPiece) {
    const ByteSpan piece = body.subspan(at, std::min(kPiece, body.size() - at));
    if (!co_await http.write_piece(piece, false, limits_.stall)) {
      co_return false;
    }
  }
  co_return keep;
}

net::Result<Listening> listen_at(const std::string& address, std::uint16_t port) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) {
    return fail(net::Error{net::Error::Code::kRefused, "not an address: " + address});
  }
  net::OwnedFd fd(
      ::socket(ip.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  asio::ip::tcp::endpoint endpoint(ip, port);
  if (fd.get() < 0 || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return fail(system_error());
  }
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(fd.get(), endpoint.data(), &size) != 0) {
    return fail(system_error());
  }
  return Listening{fd.release(), endpoint.port()};
}

}  // namespace latchkey::providerd
