// Pass-through to a service: both ways in pieces, back-pressure, WebSockets, and what is taken
// away.
#include <csignal>
#include <deque>

#include "device/listening.h"
#include "device/test_house.h"
#include "device/upstream_backend.h"
#include "net/local_message.h"

namespace latchkey::device::testing {
namespace {

// A service that does what each test says, one connection after the other.
class UpstreamTest : public House {
 public:
  using Script = std::function<net::Task<void>(net::FdStream&, net::HttpStream&)>;

  void serve(Script script, Timeouts timeouts = {}) {
    const auto listening = listen_on("127.0.0.1", 0).value();
    listener_ = net::WatchedFd::take(io_.get_executor(), listening.fd);
    script_ = std::move(script);
    spawn(accept(*this));
    start(std::make_unique<UpstreamBackend>(
              io_.get_executor(),
              asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), listening.port),
              timeouts, metrics_),
          timeouts);
    id_ = pair();
    ASSERT_EQ(run(sign_in(grant(*id_))), 204);
  }
  ~UpstreamTest() override {
    if (listener_) {
      listener_->close();
    }
    for (auto& stream : streams_) {
      stream->close();
    }
    if (server_) {
      server_->stop();
    }
    wait_until([this] { return running_ == 0; });
  }

  static net::Task<void> accept(UpstreamTest& test) {
    const auto listener = test.listener_;
    while (listener->is_open()) {
      const int fd = ::accept4(listener->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        (void)co_await listener->wait(net::WatchedFd::Side::kRead, net::kNoDeadline);
        continue;
      }
      test.streams_.push_back(std::make_unique<net::FdStream>(test.io_.get_executor(), fd));
      test.spawn(converse(test, *test.streams_.back()));
    }
  }
  static net::Task<void> converse(UpstreamTest& test, net::FdStream& stream) {
    net::HttpStream http(stream);
    while (stream.is_open() && co_await http.read_request(net::kNoDeadline, 5s)) {
      test.seen_.push_back(http.message().request_head());
      co_await test.script_(stream, http);
    }
    stream.close();
  }
  net::HttpAnswer send(wire::HttpRequestHead head, Bytes body = {}) {
    return run(
        [](UpstreamTest& test, wire::HttpRequestHead h, Bytes b) -> net::Task<net::HttpAnswer> {
          Page page = co_await test.open_page(test.grant(*test.id_));
          co_return co_await test.ask(page, std::move(h), std::move(b));
        }(*this, std::move(head), std::move(body)));
  }
  wire::HttpRequestHead request_of(std::string method, std::string target) {
    return request(grant(*id_), std::move(method), std::move(target));
  }

  std::optional<GrantId> id_;
  Script script_;
  std::shared_ptr<net::WatchedFd> listener_;
  std::vector<std::unique_ptr<net::FdStream>> streams_;
  std::deque<wire::HttpRequestHead> seen_;
};

net::Task<void> say(net::HttpStream& http, std::string text) {
  (void)co_await http.write(std::move(text), 5s);
}

TEST_F(UpstreamTest, Threat56PassesRequestsAndStripsBothWays) {
  serve([](net::FdStream&, net::HttpStream& http) {
    return say(http,
               "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nAccess-Control-Allow-Origin: *\r\n"
               "Set-Cookie: __Host-latchkey=evil; Path=/\r\nSet-Cookie: own=1\r\n\r\nhello");
  });
  auto head = request_of("GET", "/a?b=c");
  head.fields.add("X_Latchkey_Sub", "somebody");
  head.fields.add("Connection", "X-Private");
  head.fields.add("X-Private", "1");
  const auto answer = send(std::move(head));
  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(as_text(answer.body), "hello");
  EXPECT_EQ(*answer.head.fields.find("Access-Control-Allow-Origin"), "https://video.example");
  EXPECT_EQ(answer.head.fields.count("Set-Cookie"), 1U);
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].target, "/a?b=c");
  EXPECT_FALSE(seen_[0].fields.has("Cookie"));
  EXPECT_FALSE(seen_[0].fields.has("X-Private"));
  EXPECT_FALSE(seen_[0].fields.has("X_Latchkey_Sub"));
  EXPECT_EQ(*seen_[0].fields.find("X-Latchkey-Sub"), grant(*id_).sub);
}

// Whether the answer is small enough for one write or not.
TEST_F(UpstreamTest, Threat46WhatAServiceSaysUnaskedIsNobodysAnswer) {
  for (const std::size_t size : {std::size_t{5}, std::size_t{20000}}) {
    const std::string body(size, 'h');
    const std::string good =
        "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body;
    const auto script = [this, good](net::FdStream&, net::HttpStream& http) {
      const bool first = seen_.size() % 2 == 1;
      return say(http, good + (first ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" : ""));
    };
    if (id_) {
      script_ = script;
    } else {
      serve(script);
    }
    EXPECT_EQ(as_text(send(request_of("GET", "/one")).body), body);
    EXPECT_EQ(as_text(send(request_of("GET", "/two")).body), body);
  }
}

TEST_F(UpstreamTest, BodiesGoBothWaysInChunks) {
  std::string received;
  serve([&received](net::FdStream&, net::HttpStream& http) -> net::Task<void> {
    return [](net::HttpStream& h, std::string& into) -> net::Task<void> {
      const auto body = co_await h.read_all(1 << 20, net::after(5s));
      into = body ? std::string(as_text(*body)) : "failed";
      (void)co_await h.write(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
          5s);
    }(http, received);
  });
  const auto answer = run([](UpstreamTest& test) -> net::Task<net::HttpAnswer> {
    Page page = co_await test.open_page(test.grant(*test.id_));
    auto head = test.request_of("POST", "/upload");
    head.fields.add("Transfer-Encoding", "chunked");
    (void)co_await page.http->write(net::encode_head(head) + "4\r\nwxyz\r\n", 5s);
    (void)co_await page.http->write("3\r\n123\r\n0\r\n\r\n", 5s);
    net::HttpAnswer out;
    (void)co_await page.http->read_response(false, net::after(5s));
    out.head = page.http->message().response_head();
    out.body = (co_await page.http->read_all(1 << 20, net::after(5s))).value_or(Bytes{});
    co_return out;
  }(*this));
  EXPECT_EQ(received, "wxyz123");
  EXPECT_EQ(as_text(answer.body), "abcde");
  EXPECT_EQ(*seen_[0].fields.find("Transfer-Encoding"), "chunked");
}

TEST_F(UpstreamTest, ExpectIsAnsweredHereWhenTheServiceIsReached) {
  serve([](net::FdStream&, net::HttpStream& http) -> net::Task<void> {
    (void)co_await http.read_all(100, net::after(5s));
    co_await say(http, "HTTP/1.1 204 No Content\r\n\r\n");
  });
  const auto statuses = run([](UpstreamTest& test) -> net::Task<std::vector<int>> {
    std::vector<int> out;
    Page page = co_await test.open_page(test.grant(*test.id_));
    auto head = test.request_of("PUT", "/x");
    head.fields.add("Content-Length", "2");
    head.fields.add("Expect", "100-continue");
    (void)co_await page.http->write(net::encode_head(head), 5s);
    (void)co_await page.http->read_response(false, net::after(5s));
    out.push_back(page.http->message().response_head().status);
    (void)co_await page.http->write("ab", 5s);
    (void)co_await page.http->read_response(false, net::after(5s));
    out.push_back(page.http->message().response_head().status);
    co_return out;
  }(*this));
  EXPECT_EQ(statuses, (std::vector<int>{100, 204}));
  EXPECT_FALSE(seen_[0].fields.has("Expect"));
}

TEST_F(UpstreamTest, ASlowReaderStopsTheService) {
  std::size_t written = 0;
  serve([&written](net::FdStream& stream, net::HttpStream& http) -> net::Task<void> {
    return [](net::FdStream& s, net::HttpStream& h, std::size_t& count) -> net::Task<void> {
      co_await say(h, "HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n");
      const Bytes block(100'000);
      while (co_await s.write_all(block, 1000s)) {
        count += block.size();
      }
    }(stream, http, written);
  });
  auto page = run(open_page(grant(*id_)));
  run([](UpstreamTest& test, Page& on) -> net::Task<bool> {
    (void)co_await on.http->write(net::encode_head(test.request_of("GET", "/big")), 5s);
    co_return (co_await on.http->read_response(false, net::after(5s))).has_value();
  }(*this, page));
  // Until nothing moves any more: what is on the way fits into the sockets' buffers.
  std::size_t last = 0;
  for (int still = 0; still < 20;) {
    io_.run_for(5ms);
    io_.restart();
    still = written == last ? still + 1 : 0;
    last = written;
  }
  EXPECT_LT(written, 40'000'000U);
  page.stream->close();
  wait_until([this] { return server_->connections() == 0; });
}

// Nobody is there for the last piece: that answer is over, and the device serves the next.
TEST_F(UpstreamTest, WhoLeavesDuringTheLastPieceEndsItsAnswerOnly) {
  (void)std::signal(SIGPIPE, SIG_IGN);  // as the program does
  bool left = false;
  serve([&left](net::FdStream&, net::HttpStream& http) -> net::Task<void> {
    return [](net::HttpStream& h, bool& gone) -> net::Task<void> {
      if (h.message().request_head().target != "/long") {
        co_return co_await say(h, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
      co_await say(h, "HTTP/1.1 200 OK\r\nContent-Length: 15000\r\n\r\nx");
      while (!gone) {
        co_await net::sleep_until(net::after(1ms));
      }
      co_await say(h, std::string(14999, 'x'));
    }(http, left);
  });
  {
    Page page = run(open_page(grant(*id_)));
    EXPECT_TRUE(run([](Page& on, std::string request) -> net::Task<bool> {
      (void)co_await on.http->write(std::move(request), 5s);
      co_return (co_await on.http->read_response(false, net::after(5s))).has_value();
    }(page, net::encode_head(request_of("GET", "/long")))));
  }
  left = true;
  run([]() -> net::Task<bool> {
    co_await net::sleep_until(net::after(100ms));
    co_return true;
  }());
  EXPECT_EQ(as_text(send(request_of("GET", "/short")).body), "ok");
}

// A poll that nobody waits for any more, events that nobody reads, an upload whose answer nobody
// wants: what a page that was closed leaves behind, over HTTP/1.1 too.
TEST_F(UpstreamTest, WhoHasGoneDoesNotKeepTheServiceBusy) {
  std::size_t left = 0;
  Timeouts timeouts;
  timeouts.unwatched = 10ms;
  serve(
      [&left](net::FdStream& stream, net::HttpStream& http) -> net::Task<void> {
        return [](net::FdStream& s, net::HttpStream& h, std::size_t& count) -> net::Task<void> {
          (void)co_await h.read_all(100, net::after(5s));
          if (h.message().request_head().target == "/events") {
            co_await say(h, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
          }
          Bytes block(16);
          const auto got = co_await s.read_some(block, net::kNoDeadline);
          EXPECT_TRUE(!got || *got == 0);
          ++count;
          s.close();
        }(stream, http, left);
      },
      timeouts);
  std::size_t asked = 0;
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/poll"}, {"GET", "/events"}, {"PUT", "/upload"}}) {
    auto page = run(open_page(grant(*id_)));
    auto head = request_of(method, target);
    if (method == "PUT") {
      head.fields.add("Content-Length", "2");
    }
    std::string text = net::encode_head(head) + (method == "PUT" ? "ab" : "");
    run([](Page& on, std::string request, bool answers) -> net::Task<bool> {
      (void)co_await on.http->write(std::move(request), 5s);
      if (!answers) {
        co_return true;
      }
      const auto read = co_await on.http->read_response(false, net::after(5s));
      const auto piece = co_await on.http->read_body(net::after(5s));
      co_return read&& piece&& as_text(*piece) == "hello";
    }(page, std::move(text), target == "/events"));
    ++asked;
    wait_until([&] { return seen_.size() == asked; });
    EXPECT_EQ(left, asked - 1);
    page.stream->close();
    wait_until([&] { return left == asked; });
  }
  wait_until([this] { return server_->connections() == 0; });
}

// What a client sends while it is watched is its next request.
TEST_F(UpstreamTest, WhatComesDuringALongWaitIsKept) {
  Timeouts timeouts;
  timeouts.unwatched = 1ms;
  net::FdStream* waiting = nullptr;
  serve(
      [this, &waiting](net::FdStream& stream, net::HttpStream& http) -> net::Task<void> {
        if (seen_.back().target == "/slow") {
          waiting = &stream;
          return net::sleep_until(net::after(0ms));  // it answers when it is told to
        }
        return say(http, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
      },
      timeouts);
  auto page = run(open_page(grant(*id_)));
  const auto write = [&](std::string text) {
    run([](Page& on, std::string bytes) -> net::Task<bool> {
      co_return (co_await on.http->write(std::move(bytes), 5s)).has_value();
    }(page, std::move(text)));
  };
  const auto turn = [this] {
    io_.run_for(30ms);
    io_.restart();
  };
  const std::string next = net::encode_head(request_of("GET", "/next"));
  write(net::encode_head(request_of("GET", "/slow")));
  wait_until([&] { return waiting != nullptr; });
  turn();
  write(next.substr(0, 10));
  turn();
  write(next.substr(10));
  turn();
  EXPECT_EQ(seen_.size(), 1U);
  const auto answers = run([](Page& on, net::FdStream& service) -> net::Task<std::string> {
    static constexpr std::string_view kFirst = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst";
    (void)co_await service.write_all(as_bytes(kFirst), 5s);
    std::string text;
    for (int i = 0; i < 2; ++i) {
      if (!co_await on.http->read_response(false, net::after(5s))) {
        break;
      }
      const auto body = co_await on.http->read_all(100, net::after(5s));
      text.append(body ? as_text(*body) : std::string_view("failed")).append(" ");
    }
    co_return text;
  }(page, *waiting));
  EXPECT_EQ(answers, "first second ");
}

TEST_F(UpstreamTest, WebSocketsAreTunnelledAndEndWithTheSession) {
  serve([](net::FdStream& stream, net::HttpStream& http) -> net::Task<void> {
    co_await say(http,
                 "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                 "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst");
    Bytes block(100);
    while (true) {
      const auto got = co_await stream.read_some(block, net::kNoDeadline);
      if (!got || *got == 0) {
        break;
      }
      (void)co_await stream.write_all(ByteSpan(block).first(*got), 5s);
    }
    stream.close();
  });
  auto page = run(open_page(grant(*id_)));
  const std::string echoed = run([](UpstreamTest& test, Page& on) -> net::Task<std::string> {
    auto head = test.request_of("GET", "/live");
    head.fields.add("Connection", "Upgrade");
    head.fields.add("Upgrade", "websocket");
    head.fields.add("Sec-WebSocket-Key", "AAAA");
    (void)co_await on.http->write(net::encode_head(head), 5s);
    (void)co_await on.http->read_response(false, net::after(5s));
    EXPECT_EQ(on.http->message().response_head().status, 101);
    std::string text(as_text(on.http->take_rest()));
    (void)co_await on.http->write("echo", 5s);
    Bytes block(100);
    while (text.size() < 9) {
      const auto got = co_await on.stream->read_some(block, net::after(5s));
      if (!got || *got == 0) {
        break;
      }
      text.append(as_text(ByteSpan(block).first(*got)));
    }
    co_return text;
  }(*this, page));
  EXPECT_EQ(echoed, "firstecho");
  EXPECT_EQ(*seen_[0].fields.find("Upgrade"), "websocket");
  clock_.ahead += 3601s;
  device_->on_time();
  const bool ended = run([](Page& on) -> net::Task<bool> {
    Bytes byte(1);
    const auto got = co_await on.stream->read_some(byte, net::after(10s));
    co_return !got || *got == 0;
  }(page));
  EXPECT_TRUE(ended);
}

TEST_F(UpstreamTest, ACutAnswerIsNotPassedOffAsWhole) {
  serve([](net::FdStream& stream, net::HttpStream& http) -> net::Task<void> {
    co_await say(http, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    co_await stream.shutdown();
  });
  const auto answer = send(request_of("GET", "/"));
  EXPECT_EQ(answer.head.status, 0);
}

TEST_F(UpstreamTest, AServiceThatIsAwayOrTalksNonsenseIs502) {
  serve([](net::FdStream&, net::HttpStream& http) { return say(http, "nonsense\r\n\r\n"); });
  EXPECT_EQ(send(request_of("GET", "/")).head.status, 502);
  listener_->close();
  for (auto& stream : streams_) {
    stream->close();
  }
  EXPECT_EQ(send(request_of("GET", "/")).head.status, 502);
}

TEST(ParseUpstreamTest, StaysOnThisMachine) {
  EXPECT_TRUE(parse_upstream("http://127.0.0.1:8080"));
  EXPECT_TRUE(parse_upstream("http://localhost:8080/"));
  EXPECT_TRUE(parse_upstream("http://[::1]:80"));
  EXPECT_EQ(std::get<std::string>(parse_upstream("unix:/run/a.sock").value()), "/run/a.sock");
  for (const char* url :
       {"", "http://", "https://127.0.0.1:1", "http://192.168.1.2:80", "http://127.0.0.1",
        "http://127.0.0.1:0", "http://127.0.0.1:99999", "http://127.0.0.1:80/path",
        "http://a@127.0.0.1:80", "http://127.0.0.1.evil.example:80", "unix:", "unix:a.sock",
        "/run/a.sock"}) {
    EXPECT_FALSE(parse_upstream(url)) << url;
  }
  EXPECT_FALSE(parse_upstream("unix:/" + std::string(107, 'a'))) << "longer than a socket's path";
}

}  // namespace
}  // namespace latchkey::device::testing
