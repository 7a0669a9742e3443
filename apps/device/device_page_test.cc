// The device's own page from outside: what it shows, letting somebody in, leaving.
#include <fstream>
#include <nlohmann/json.hpp>

#include "device/file_backend.h"
#include "device/test_house.h"

namespace latchkey::device::testing {
namespace {

using nlohmann::json;

class OwnPageTest : public House {
 public:
  // A direct grant, signed in.
  void begin() {
    std::filesystem::create_directories(folder_ / "www");
    start(FileBackend::open(path("www"), clock_, io_.get_executor()));
    agent_.next_host = *HostName::parse("hall-cache.local");
    agent_.next_origin = std::nullopt;
    id_ = pair();
    ASSERT_EQ(run(sign_in(grant(*id_))), 204);
  }
  struct Got {
    int status = 0;
    std::string text;
    std::string location;
    bool stays = false;  // the connection may go on
  };
  // What a browser sends for a click on the page.
  Got click(std::string method, std::string target) {
    return run([](OwnPageTest& test, std::string verb, std::string what) -> net::Task<Got> {
      Page page = co_await test.open_page(test.grant(*test.id_));
      Got got;
      if (!page.http) {
        co_return got;
      }
      auto head = test.request(test.grant(*test.id_), std::move(verb), std::move(what));
      head.fields.add("Sec-Fetch-Site", "same-origin");
      head.fields.add("Sec-Fetch-Mode", "navigate");
      head.fields.add("Sec-Fetch-Dest", "document");
      head.fields.add("Sec-Fetch-User", "?1");
      const auto answer = co_await test.ask(page, std::move(head));
      got.status = answer.head.status;
      got.text = std::string(as_text(answer.body));
      got.stays = !answer.head.fields.has("Connection");
      if (const std::string* to = answer.head.fields.find("Location")) {
        got.location = *to;
      }
      co_return got;
    }(*this, std::move(method), std::move(target)));
  }
  json state() { return json::parse(click("GET", "/.well-known/latchkey/home.json").text); }
  std::string code_in(const std::string& page) const {
    const std::string mark = "id=\"code\">";
    const auto at = page.find(mark);
    return at == std::string::npos
               ? ""
               : page.substr(at + mark.size(), page.find('<', at) - at - mark.size());
  }
  std::optional<GrantId> id_;
};

TEST_F(OwnPageTest, ShowsTheDeviceAndIsAtTheRootWithoutAnIndex) {
  begin();
  EXPECT_EQ(click("GET", "/").location, "/.well-known/latchkey/home");
  EXPECT_EQ(click("GET", "/.well-known/latchkey/home").status, 200);
  const json shown = state();
  EXPECT_EQ(shown["device"]["name"], "Hall cache");
  ASSERT_EQ(shown["people"].size(), 1U);
  EXPECT_EQ(shown["people"][0]["services"], 0) << "the page itself is no web service";
  EXPECT_EQ(shown["events"][0]["kind"], "paired");
  std::ofstream(path("www/index.html")) << "the service's";
  EXPECT_EQ(click("GET", "/").text, "the service's");
}

TEST_F(OwnPageTest, ACodeFromThePageLetsSomebodyElseIn) {
  begin();
  const Got shown = click("POST", "/.well-known/latchkey/window");
  ASSERT_EQ(shown.status, 200);
  const auto code = pairing::PairingCode::parse(code_in(shown.text), wire::CodeKind::kDigits8);
  ASSERT_TRUE(code) << shown.text;
  EXPECT_TRUE(state()["window"]["own"]);
  EXPECT_EQ(click("POST", "/.well-known/latchkey/window").status, 409) << "one at a time";
  const auto mine = agent_.management_key;
  agent_.management_key = crypto::PrivateKey::generate();
  agent_.next_host = *HostName::parse("media-cache-k3f7x2m7q4ab.local");
  agent_.next_origin = Origin::parse("https://photos.example");
  EXPECT_FALSE(pair_with(code->clone()));
  agent_.management_key = mine;
  wait_until([this] { return !device_->window_is_open(); });
  const json after = state();
  ASSERT_EQ(after["people"].size(), 2U);
  EXPECT_EQ(after["people"][1]["person"], 2);
  EXPECT_EQ(after["events"][0]["kind"], "paired");
  EXPECT_EQ(after["events"][0]["person"], 2);
  EXPECT_EQ(after["events"][1]["kind"], "window_opened");
  EXPECT_TRUE(after["events"][1]["own"]) << "everybody sees who opened the door";
  EXPECT_EQ(after.dump().find("photos"), std::string::npos);
  EXPECT_EQ(after["services"].size(), 1U);
  // Not the next one at once: each costs work and lines in everybody's trail.
  EXPECT_EQ(click("POST", "/.well-known/latchkey/window").status, 429);
  clock_.ahead += 10s;
  EXPECT_EQ(click("POST", "/.well-known/latchkey/window").status, 200);
}

TEST_F(OwnPageTest, OnlyWhoOpenedItEndsIt) {
  begin();
  open_window();  // at the device
  EXPECT_FALSE(state()["window"]["own"]);
  EXPECT_EQ(click("POST", "/.well-known/latchkey/window/close").status, 303);
  EXPECT_TRUE(device_->window_is_open());
  device_->close_window();
  EXPECT_EQ(click("POST", "/.well-known/latchkey/window").status, 200);
  EXPECT_EQ(click("POST", "/.well-known/latchkey/window/close").status, 303);
  EXPECT_FALSE(device_->window_is_open());
}

TEST_F(OwnPageTest, TheOwnerMayKeepTheCodeAtTheDevice) {
  may_open_window_ = false;
  begin();
  EXPECT_FALSE(state()["window"]["allowed"]);
  EXPECT_EQ(click("POST", "/.well-known/latchkey/window").status, 403);
  EXPECT_FALSE(device_->window_is_open());
}

TEST_F(OwnPageTest, LeavingEndsEverythingOfThisPersonAndSaysSo) {
  begin();
  auto other = run(open_page(grant(*id_)));
  ASSERT_TRUE(other.http);
  const auto key = device_->identity().discovery_key;
  const Got left = click("POST", "/.well-known/latchkey/leave");
  EXPECT_EQ(left.status, 200);
  EXPECT_FALSE(left.stays);
  EXPECT_TRUE(device_->live_grants().empty());
  EXPECT_TRUE(store_->agents()->empty());
  EXPECT_NE(device_->identity().discovery_key, key);  // threat 55
  const bool ended = run([](Page& on) -> net::Task<bool> {
    Bytes byte(1);
    const auto got = co_await on.stream->read_some(byte, net::after(10s));
    co_return !got || *got == 0;
  }(other));
  EXPECT_TRUE(ended) << "its other connections";
  EXPECT_EQ(click("GET", "/").status, 0);
  EXPECT_EQ(run(manage("GET", "/grants")).status, 403);
  EXPECT_EQ(store_->audit(1)->front().kind, "agent_left");
  wait_until([this] { return server_->connections() == 0; });
}

}  // namespace
}  // namespace latchkey::device::testing
