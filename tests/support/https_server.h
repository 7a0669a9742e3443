// For tests: a real HTTPS server on loopback, in a thread of its own. What it answers, well or
// badly, byte for byte, is the test's; what it was asked is kept.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "crypto/chain.h"
#include "net/http_stream.h"
#include "net/tls_server.h"
#include "net/tls_stream.h"

namespace latchkey::testing {

struct HttpsAnswer {
  std::string bytes;   // head and body, as they go out
  bool stays = false;  // keeps the connection open until the client leaves
};
inline HttpsAnswer https_answer(int status, std::string_view body,
                                const std::string& headers = {}) {
  return {"HTTP/1.1 " + std::to_string(status) +
          " x\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n" +
          headers + "\r\n" + std::string(body)};
}

class HttpsServer {
 public:
  // `head` is the request's, as it came. Called from the server's thread.
  using Answer = std::function<HttpsAnswer(const std::string& path, const std::string& head)>;

  // The certificate is for `host`; its root stands in ca_file().
  explicit HttpsServer(Answer answer, const std::string& host = "localhost")
      : answer_(std::move(answer)),
        ca_file_(std::filesystem::temp_directory_path() /
                 ("latchkey-ca-" + std::to_string(::getpid()) + "-" +
                  std::to_string(reinterpret_cast<std::uintptr_t>(this)) + ".pem")),
        context_(
            [this](const net::ClientHello& hello) -> std::variant<net::Persona, net::HelloRefusal> {
              net::Persona persona;
              persona.identity = identity_;
              persona.alpn = hello.offers_alpn ? "http/1.1" : "";
              return persona;
            }),
        acceptor_(io_, boost::asio::ip::tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
    make_identity(host);
    // A client that leaves in the middle of an answer must not end the test.
    std::signal(SIGPIPE, SIG_IGN);
    boost::asio::co_spawn(io_, listen(), boost::asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~HttpsServer() {
    io_.stop();
    thread_.join();
    std::filesystem::remove(ca_file_);
  }
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  [[nodiscard]] std::string url(const std::string& path = {}) const {
    return "https://localhost:" + std::to_string(acceptor_.local_endpoint().port()) + path;
  }
  [[nodiscard]] std::string ca_file() const { return ca_file_.string(); }
  // Heads of all requests so far.
  [[nodiscard]] std::vector<std::string> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void answer_with(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }

 private:
  void make_identity(const std::string& host) {
    const WallTime now{
        std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count()};
    crypto::IssueFields fields{.common_name = "Test root",
                               .organization = "",
                               .not_before = now - seconds(86400),
                               .not_after = now + seconds(86400 * 400LL),
                               .ca_path_length = 0,
                               .aaguid = std::nullopt};
    const auto root_key = crypto::PrivateKey::generate();
    const Bytes root = crypto::issue_root(fields, root_key, random_).value();
    fields.common_name = host;
    fields.ca_path_length.reset();
    const auto key = crypto::PrivateKey::generate();
    const Bytes leaf =
        crypto::issue_certificate(fields, key.public_key(), {root_key, root}, random_).value();
    identity_ = net::TlsIdentity::make(key, {leaf}).value();
    const std::vector<Bytes> roots{root};
    std::ofstream(ca_file_) << crypto::certificates_to_pem(roots);
  }

  net::Task<void> listen() {
    while (true) {
      auto [error, socket] =
          co_await acceptor_.async_accept(boost::asio::as_tuple(boost::asio::use_awaitable));
      if (error) {
        co_return;
      }
      const int fd = socket.release();
      boost::asio::co_spawn(io_, serve(fd), boost::asio::detached);
    }
  }

  net::Task<void> serve(int fd) {
    auto stream = co_await net::TlsStream::accept(io_.get_executor(), fd, context_,
                                                  net::after(std::chrono::seconds(10)));
    if (!stream) {
      co_return;
    }
    std::string head;
    std::array<std::uint8_t, 4096> buffer{};
    while (head.find("\r\n\r\n") == std::string::npos) {
      const auto got = co_await (*stream)->read_some(buffer, net::after(std::chrono::seconds(10)));
      if (!got || *got == 0) {
        co_return;
      }
      head.append(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*got));
    }
    const std::size_t begin = head.find(' ') + 1;
    const HttpsAnswer answer = note(head.substr(begin, head.find(' ', begin) - begin), head);
    (void)co_await (*stream)->write_all(as_bytes(answer.bytes), std::chrono::seconds(10));
    if (answer.stays) {
      (void)co_await (*stream)->read_some(buffer, net::after(std::chrono::seconds(60)));
    }
    co_await (*stream)->shutdown();
  }

  HttpsAnswer note(const std::string& path, const std::string& head) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(head);
    return answer_(path, head);
  }

  std::mutex mutex_;
  Answer answer_;
  std::vector<std::string> asked_;
  std::filesystem::path ca_file_;
  net::SystemRandom random_;
  std::shared_ptr<const net::TlsIdentity> identity_;
  net::TlsServerContext context_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_;
  std::thread thread_;
};

}  // namespace latchkey::testing
