// Connections of the administration API, and of published files where this serves them itself: TLS
// 1.3, HTTP/1.1. One thread runs the loop; calls run on two workers, of which one may wait for web
// services that are slow to answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/accepting.h"
#include "net/http_stream.h"
#include "net/tls_server.h"
#include "net/tls_stream.h"
#include "net/worker.h"
#include "provider/api.h"
#include "provider/attempts.h"
#include "provider/shelf_port.h"

namespace latchkey::providerd {

struct ServeLimits {
  std::size_t connections = 512;
  std::size_t per_address = 64;
  std::size_t calls = 64;  // that wait for a worker
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds idle{60'000};
  std::chrono::milliseconds head{10'000};
  std::chrono::milliseconds body{30'000};
  std::chrono::milliseconds stall{20'000};
  std::chrono::milliseconds call{120'000};
};

class ApiServer {
 public:
  using Call = std::function<provider::ApiAnswer(const provider::ApiRequest&)>;
  struct Parts {
    Call quick;  // each is called on one thread of its own
    Call slow;
    std::function<void()> publish;  // somebody asks for it
    provider::Shelf* files = nullptr;
    const Clock& clock;
    std::shared_ptr<const net::TlsIdentity> identity;
  };
  ApiServer(net::Executor executor, Parts parts, ServeLimits limits = {});
  void start(int listener);
  void stop();  // what is being answered may go on until the loop stops
  [[nodiscard]] bool empty() const { return tasks_.empty(); }
  void show(std::shared_ptr<const net::TlsIdentity> identity) {
    parts_.identity = std::move(identity);
  }

 private:
  class Seat;
  struct Reply {
    int status = 200;
    std::string type = "application/json";
    std::string cache = "no-store";
    std::string etag, allow;
    bool retry_later = false;
    std::string body;
    provider::Shelf::Held file{};  // instead of `body`
  };
  void admit(net::OwnedFd fd, const net::PeerAddress& peer);
  net::Task<void> serve(int fd, std::string peer, std::unique_ptr<Seat> seat);
  net::Task<bool> serve_request(net::HttpStream& http, const std::string& peer);
  net::Task<Reply> call_api(provider::ApiRequest request, const std::string& peer);
  Reply file_reply(const std::string& target, const wire::HttpRequestHead& head);
  net::Task<bool> write_reply(net::HttpStream& http, Reply reply, bool with_body, bool keep);

  net::Executor executor_;
  Parts parts_;
  ServeLimits limits_;
  net::TlsServerContext tls_;
  std::shared_ptr<net::WatchedFd> listener_;
  provider::Attempts attempts_;
  std::map<std::string, std::size_t> peers_;
  std::size_t open_ = 0;
  std::size_t waiting_ = 0;
  bool stopping_ = false;
  net::Worker quick_, slow_;
  net::TaskGroup tasks_;
};

struct Listening {
  int fd = -1;
  std::uint16_t port = 0;
};
// Port 0: any that is free.
net::Result<Listening> listen_at(const std::string& address, std::uint16_t port);

}  // namespace latchkey::providerd
