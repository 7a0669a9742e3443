// The device from outside: pairing, serving, management, and the ends of things.
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "device/file_backend.h"
#include "device/test_house.h"
#include "wire/cbor.h"

namespace latchkey::device::testing {
namespace {

class DeviceTest : public House {
 public:
  void serve_files(Timeouts timeouts = {}, Limits limits = {}) {
    std::filesystem::create_directories(folder_ / "www/sub");
    write("www/index.html", "<h1>home</h1>");
    write("www/film.mp4", std::string(3'000'000, 'f'));
    write("secret.txt", "outside");
    std::filesystem::create_symlink("../secret.txt", folder_ / "www/link.txt");
    start(FileBackend::open(path("www"), clock_, io_.get_executor()), timeouts, limits);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }
  net::HttpAnswer get(const GrantId& id, std::string target, std::string range = "") {
    return run([](DeviceTest& test, GrantId grant, std::string what,
                  std::string part) -> net::Task<net::HttpAnswer> {
      Page page = co_await test.open_page(test.grant(grant));
      if (!page.http) {
        net::HttpAnswer none;
        none.head.status = 0;
        co_return none;
      }
      auto head = test.request(test.grant(grant), "GET", std::move(what));
      if (!part.empty()) {
        head.fields.add("Range", part);
      }
      co_return co_await test.ask(page, std::move(head));
    }(*this, id, std::move(target), std::move(range)));
  }
  // The alert, or nothing where the handshake went through.
  std::string dial_error(std::string sni, std::string alpn) {
    net::TlsClientConfig config;
    if (!sni.empty()) {
      config.sni = std::move(sni);
    }
    config.alpn = {std::move(alpn)};
    config.verify = net::VerifyNone{};
    return run([](DeviceTest& test, net::TlsClientConfig c) -> net::Task<std::string> {
      const auto stream = co_await test.dial(std::move(c));
      co_return stream ? "" : stream.error().detail;
    }(*this, std::move(config)));
  }
  std::string code_of(const Managed& managed) {
    return wire::decode_cbor(managed.body)->value("code", "");
  }
};

// Small files are kept open for a moment (open_files.h): what is behind a name at each request is
// what is sent, and what may not be sent is not.
TEST_F(DeviceTest, WhatIsKeptOpenIsAskedForAgain) {
  serve_files();
  write("www/sub/note.txt", "first");
  const GrantId id = pair();
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  EXPECT_EQ(as_text(get(id, "/sub/note.txt").body), "first");
  // Another file of the same size in its place.
  write("www/sub/other.txt", "later");
  std::filesystem::rename(path("www/sub/other.txt"), path("www/sub/note.txt"));
  EXPECT_EQ(as_text(get(id, "/sub/note.txt").body), "later");
  // The same file with other content, longer and shorter.
  write("www/sub/note.txt", "and longer");
  const auto longer = get(id, "/sub/note.txt");
  EXPECT_EQ(as_text(longer.body), "and longer");
  EXPECT_EQ(*longer.head.fields.find("Content-Length"), "10");
  write("www/sub/note.txt", "short");
  EXPECT_EQ(as_text(get(id, "/sub/note.txt").body), "short");
  // A link that leads out, to a file of the same size.
  write("outside.txt", "short");
  std::filesystem::remove(path("www/sub/note.txt"));
  EXPECT_EQ(get(id, "/sub/note.txt").head.status, 404);
  std::filesystem::create_symlink("../../outside.txt", path("www/sub/note.txt"));
  EXPECT_EQ(get(id, "/sub/note.txt").head.status, 404);
}

TEST_F(DeviceTest, PairsAndServesWithoutARestart) {
  serve_files();
  EXPECT_NE(dial_error("media-cache-k3f7x2m7q4ab.local", "http/1.1").find("unrecognized name"),
            std::string::npos);
  const GrantId id = pair();
  EXPECT_EQ(get(id, "/film.mp4").head.status, 401);
  EXPECT_EQ(run(sign_in(grant(id))), 204);
  const auto film = get(id, "/film.mp4");
  EXPECT_EQ(film.head.status, 200);
  EXPECT_EQ(film.body.size(), 3'000'000U);
  EXPECT_EQ(*film.head.fields.find("Content-Type"), "video/mp4");
  EXPECT_EQ(*film.head.fields.find("Access-Control-Allow-Origin"), "https://video.example");
  const auto part = get(id, "/film.mp4", "bytes=10-19");
  EXPECT_EQ(part.head.status, 206);
  EXPECT_EQ(part.body.size(), 10U);
  EXPECT_EQ(as_text(get(id, "/").body), "<h1>home</h1>");
  EXPECT_EQ(get(id, "/sub").head.status, 308);
  EXPECT_EQ(get(id, "/link.txt").head.status, 404);
  EXPECT_EQ(get(id, "/nothing").head.status, 404);
}

TEST_F(DeviceTest, GrantsSurviveARestartAndSessionsDoNot) {
  serve_files();
  const GrantId id = pair();
  EXPECT_EQ(run(sign_in(grant(id))), 204);
  restart();
  EXPECT_EQ(get(id, "/").head.status, 401);
  EXPECT_EQ(run(sign_in(grant(id))), 204);
  EXPECT_EQ(get(id, "/").head.status, 200);
}

TEST_F(DeviceTest, PairingIsRefusedWhileTheWindowIsClosed) {
  serve_files();
  EXPECT_NE(dial_error("", "latchkey-pair/1").find("no application protocol"), std::string::npos);
  EXPECT_NE(dial_error("", "http/1.1").find("unrecognized name"), std::string::npos);
  const GrantId id = pair();  // a digits8 window ends with its first success
  EXPECT_NE(dial_error("", "latchkey-pair/1").find("no application protocol"), std::string::npos);
  EXPECT_NE(dial_error(grant(id).host.text(), "h3").find("no application protocol"),
            std::string::npos);
}

TEST_F(DeviceTest, Threat5FiveWrongCodesEndTheWindow) {
  serve_files();
  const auto right = open_window();
  for (int i = 0; i < 5; ++i) {
    const auto wrong =
        *pairing::PairingCode::parse("0000000" + std::to_string(i), wire::CodeKind::kDigits8);
    const auto error = pair_with(wrong.clone());
    ASSERT_TRUE(error);
    // The agent hangs up without a word: the device must have noticed before the next attempt.
    wait_until([&] {
      return !device_->window_is_open() || device_->window().attempts_left() == 4U - unsigned(i);
    });
    wait_until([&] { return server_->connections() == 0; });
  }
  EXPECT_TRUE(pair_with(right.clone()));
  EXPECT_FALSE(device_->window_is_open());
}

TEST_F(DeviceTest, RevokingEndsOpenAnswersAtOnce) {
  serve_files();
  write("www/huge.bin", std::string(40'000'000, 'x'));
  const GrantId id = pair();
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  auto page = run(open_page(grant(id)));
  ASSERT_TRUE(page.http);
  const auto begun = run([](DeviceTest& test, Page& on, GrantId which) -> net::Task<bool> {
    auto head = test.request(test.grant(which), "GET", "/huge.bin");
    (void)co_await on.http->write(net::encode_head(head), 5s);
    co_return (co_await on.http->read_response(false, net::after(5s))).has_value();
  }(*this, page, id));
  ASSERT_TRUE(begun);
  const auto deleted = run(manage("DELETE", "/grants/" + id.hex()));
  EXPECT_EQ(deleted.status, 204);
  // The rest never comes; the name is gone.
  const auto rest = run([](Page& on) -> net::Task<std::size_t> {
    const auto body = co_await on.http->read_all(50'000'000, net::after(10s));
    co_return body ? body->size() : 0;
  }(page));
  EXPECT_EQ(rest, 0U);
  EXPECT_NE(dial_error(grant(id).host.text(), "http/1.1").find("unrecognized name"),
            std::string::npos);
  // Its own log line is written when the answer is cut.
  wait_until([this] { return server_->connections() == 0; });
}

TEST_F(DeviceTest, SigningOutAndExpiryEndOpenAnswers) {
  serve_files();
  write("www/huge.bin", std::string(40'000'000, 'x'));
  const GrantId id = pair();
  for (const bool expire : {false, true}) {
    ASSERT_EQ(run(sign_in(grant(id))), 204);
    auto page = run(open_page(grant(id)));
    run([](DeviceTest& test, Page& on, GrantId which) -> net::Task<bool> {
      auto head = test.request(test.grant(which), "GET", "/huge.bin");
      (void)co_await on.http->write(net::encode_head(head), 5s);
      co_return (co_await on.http->read_response(false, net::after(5s))).has_value();
    }(*this, page, id));
    if (expire) {
      clock_.ahead += 3601s;
      device_->on_time();
    } else {
      const int status = run([](DeviceTest& test, GrantId which) -> net::Task<int> {
        Page other = co_await test.open_page(test.grant(which));
        auto head = test.request(test.grant(which), "DELETE", "/.well-known/latchkey/session");
        co_return (co_await test.ask(other, std::move(head))).head.status;
      }(*this, id));
      EXPECT_EQ(status, 204);
    }
    const bool whole = run([](Page& on) -> net::Task<bool> {
      co_return (co_await on.http->read_all(50'000'000, net::after(10s))).has_value();
    }(page));
    EXPECT_FALSE(whole);
    cookie_.clear();
  }
}

TEST_F(DeviceTest, LaterGrantsNeedNoCode) {
  serve_files();
  pair();
  const auto host = *HostName::parse("media-cache-zzzzzzzzzzzz.local");
  const auto offer = agent_.make_offer(host, Origin::parse("https://other.example"));
  const auto csr = run(manage("POST", "/offer", wire::encode(offer)));
  ASSERT_EQ(csr.status, 200);
  const auto message = wire::decode<wire::CsrMessage>(csr.body).value();
  const auto accepted =
      enroll::check_csr_message(message, wire::encode(offer), csr.exporter, device_->id(),
                                "media-cache", {}, clock_.wall_now());
  ASSERT_TRUE(accepted);
  const auto cert = agent_.certify(grant(offer.grant), accepted->key);
  const auto done = run(manage("POST", "/certificate", wire::encode(cert)));
  ASSERT_EQ(done.status, 200);
  EXPECT_EQ(wire::decode<wire::DoneMessage>(done.body)->port, port_);
  EXPECT_EQ(run(sign_in(grant(offer.grant))), 204);
  EXPECT_EQ(get(offer.grant, "/").head.status, 200);
}

TEST_F(DeviceTest, RenewalShowsTheNewCertificate) {
  serve_files();
  const GrantId id = pair();
  const Bytes old_leaf = grant(id).leaf;
  const auto renewed = run(manage("POST", "/renew", wire::encode(wire::RenewRequest{id})));
  ASSERT_EQ(renewed.status, 200);
  const auto reply = wire::decode<wire::RenewReply>(renewed.body).value();
  const auto key = enroll::check_renewal(reply, id, renewed.exporter,
                                         crypto::certificate_key(old_leaf).value(), {});
  ASSERT_TRUE(key);
  const auto cert = agent_.certify(grant(id), *key);
  ASSERT_EQ(run(manage("POST", "/certificate", wire::encode(cert))).status, 200);
  auto page = run(open_page(grant(id)));
  ASSERT_TRUE(page.stream);
  EXPECT_EQ(page.stream->peer_certificate(), grant(id).leaf);
}

TEST_F(DeviceTest, SuspendingCutsAtOnceAndResumingBringsItBack) {
  serve_files();
  write("www/huge.bin", std::string(40'000'000, 'x'));
  const GrantId id = pair();
  const Bytes named = wire::encode(wire::RenewRequest{id});
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  auto page = run(open_page(grant(id)));
  ASSERT_TRUE(page.http);
  run([](DeviceTest& test, Page& on, GrantId which) -> net::Task<bool> {
    auto head = test.request(test.grant(which), "GET", "/huge.bin");
    (void)co_await on.http->write(net::encode_head(head), 5s);
    co_return (co_await on.http->read_response(false, net::after(5s))).has_value();
  }(*this, page, id));
  EXPECT_EQ(run(manage("POST", "/suspend", named)).status, 204);
  EXPECT_EQ(run(manage("POST", "/suspend", named)).status, 204);
  const bool whole = run([](Page& on) -> net::Task<bool> {
    co_return (co_await on.http->read_all(50'000'000, net::after(10s))).has_value();
  }(page));
  EXPECT_FALSE(whole);
  const std::string host = grant(id).host.text();
  EXPECT_NE(dial_error(host, "http/1.1").find("unrecognized name"), std::string::npos);
  EXPECT_EQ(code_of(run(manage("POST", "/renew", named))), "not_allowed");
  restart();
  EXPECT_NE(dial_error(host, "http/1.1").find("unrecognized name"), std::string::npos);
  EXPECT_TRUE(device_->live_grants().empty());
  EXPECT_EQ(run(manage("POST", "/resume", named)).status, 204);
  EXPECT_EQ(run(manage("POST", "/resume", named)).status, 204);
  EXPECT_EQ(get(id, "/").head.status, 401) << "its sessions are gone";
  EXPECT_EQ(run(sign_in(grant(id))), 204);
  EXPECT_EQ(get(id, "/").head.status, 200);
  std::vector<std::string> kinds;
  for (const auto& event : store_->audit(20).value()) {
    kinds.push_back(event.kind);
  }
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "suspended"), 1);
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "resumed"), 1);
}

// A ticket that was used before the suspension is used after it.
TEST_F(DeviceTest, AnotherProviderEndsTheSessionsThatWereOpen) {
  serve_files();
  const GrantId id = pair();
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  ASSERT_EQ(get(id, "/film.mp4", "bytes=0-4").head.status, 206);
  const auto agree = [&](std::string_view issuer) {
    return run(manage("POST", "/sso",
                      wire::encode(wire::SignInRequest{id, *SignInOffer::make(issuer, "video")})))
        .status;
  };
  EXPECT_EQ(agree("https://accounts.example"), 204);
  EXPECT_EQ(get(id, "/film.mp4", "bytes=0-4").head.status, 401);
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  EXPECT_EQ(agree("https://accounts.example"), 204);
  EXPECT_EQ(get(id, "/film.mp4", "bytes=0-4").head.status, 206) << "nothing new was said";
  restart();
  EXPECT_EQ(device_->live_grants().front()->grant.sso,
            SignInOffer::make("https://accounts.example", "video"));
}

TEST_F(DeviceTest, ResumingBringsNoUsedTicketBack) {
  serve_files();
  const GrantId id = pair();
  clock_.ahead += 10s;
  const std::string ticket = agent_.ticket(grant(id));
  const auto post = [&] {
    return run([](DeviceTest& test, GrantId which, std::string text) -> net::Task<int> {
      Page page = co_await test.open_page(test.grant(which));
      auto head = test.request(test.grant(which), "POST", "/.well-known/latchkey/session");
      head.fields.add("Authorization", "Bearer " + text);
      co_return (co_await test.ask(page, std::move(head))).head.status;
    }(*this, id, ticket));
  };
  EXPECT_EQ(post(), 204);
  const Bytes named = wire::encode(wire::RenewRequest{id});
  EXPECT_EQ(run(manage("POST", "/suspend", named)).status, 204);
  EXPECT_EQ(run(manage("POST", "/resume", named)).status, 204);
  EXPECT_EQ(post(), 401);
}

TEST_F(DeviceTest, AnAgentThatLeftIsUnknown) {
  serve_files();
  const GrantId id = pair();
  EXPECT_EQ(run(manage("GET", "/grants")).status, 200);
  const auto key = device_->identity().discovery_key;
  EXPECT_EQ(run(manage("DELETE", "/agent")).status, 204);
  EXPECT_NE(device_->identity().discovery_key, key);  // threat 55
  const auto again = run(manage("GET", "/grants"));
  EXPECT_EQ(again.status, 403);
  EXPECT_EQ(code_of(again), "not_granted");
  EXPECT_FALSE(run(open_page(grant(id))).stream);
}

TEST_F(DeviceTest, Threat43HalfOpenConnectionsAreGivenUpAndLimited) {
  Timeouts timeouts;
  timeouts.handshake = 50ms;
  Limits limits;
  limits.handshakes_per_address = 4;
  serve_files(timeouts, limits);
  std::vector<std::unique_ptr<net::FdStream>> idle;
  for (int i = 0; i < 12; ++i) {
    idle.push_back(
        run(net::FdStream::connect(io_.get_executor(), endpoint(), net::after(5s))).value());
  }
  wait_until([this] { return server_->connections() > 0; });
  EXPECT_LE(server_->connections(), 4U);
  wait_until([this] { return server_->connections() == 0; });
}

TEST_F(DeviceTest, Threat43SlowHeadsAreGivenUp) {
  Timeouts timeouts;
  timeouts.head = 50ms;
  serve_files(timeouts);
  const GrantId id = pair();
  auto page = run(open_page(grant(id)));
  run([](Page& on) -> net::Task<bool> {
    (void)co_await on.http->write("GET / HT", 5s);
    co_return true;
  }(page));
  const bool ended = run([](Page& on) -> net::Task<bool> {
    Bytes byte(1);
    const auto got = co_await on.stream->read_some(byte, net::after(10s));
    co_return !got || *got == 0;
  }(page));
  EXPECT_TRUE(ended);
}

TEST_F(DeviceTest, SmugglingEndsTheConnection) {
  serve_files();
  const GrantId id = pair();
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  for (const std::string bad :
       {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n", "X: y\n", " folded: z\r\n"}) {
    const auto answer =
        run([](DeviceTest& test, GrantId which, std::string extra) -> net::Task<std::string> {
          Page page = co_await test.open_page(test.grant(which));
          std::string head = net::encode_head(test.request(test.grant(which), "POST", "/"));
          head.insert(head.size() - 2, extra);
          // What a confused parser would take for a second request.
          (void)co_await page.http->write(head + "0\r\n\r\nGET /film.mp4 HTTP/1.1\r\n\r\n", 5s);
          std::string all;
          Bytes block(4096);
          while (true) {
            const auto got = co_await page.stream->read_some(block, net::after(5s));
            if (!got || *got == 0) {
              co_return all;
            }
            all.append(as_text(ByteSpan(block).first(*got)));
          }
        }(*this, id, bad));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << bad << answer;
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << bad;
  }
}

TEST_F(DeviceTest, TheAccessLogHasNoQueriesAndNoSecrets) {
  serve_files();
  const GrantId id = pair();
  ASSERT_EQ(run(sign_in(grant(id))), 204);
  get(id, "/film.mp4?token=abc", "bytes=0-4");
  wait_until([this] { return server_->connections() == 0; });
  std::ifstream file(path("access.log"));
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find("\"GET /film.mp4 HTTP/1.1\" 206 5 \"https://video.example\" \"-\"\n"),
            std::string::npos)
      << text.str();
  EXPECT_EQ(text.str().find("token"), std::string::npos);
  EXPECT_EQ(text.str().find(cookie_), std::string::npos);
}

}  // namespace
}  // namespace latchkey::device::testing
