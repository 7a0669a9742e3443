// Providers that lie, are late, slow, or several; and an agent whose files were touched (threats
// 21, 22 and 24).
#include "base/encoding.h"
#include "trust_house.h"

namespace latchkey::programs {
namespace {

using attest::OriginStatus;
using attest::TableKind;
using nlohmann::json;
using testing::https_answer;

const std::string kPage{attest::kMetadataFile};

class TrustProviderTest : public TrustHouse {
 protected:
  json status() { return latchkey({"providers", "--json"}).json()["providers"]; }
  bool mints(const json& grant) {
    Conversation client(home_.socket());
    client.hello();
    return client.ask("ticket.mint", {{"id", grant["id"]}, {"origin", kVideo}}).contains("result");
  }
  // Where the agent keeps what its one provider said.
  [[nodiscard]] std::filesystem::path folder() const {
    const auto all = home_.path() / ".local/state/latchkey/providers";
    return std::filesystem::directory_iterator(all)->path();
  }
  [[nodiscard]] std::filesystem::path kept_table(const std::string& kind) const {
    for (const auto& entry : std::filesystem::directory_iterator(folder())) {
      if (entry.path().filename().string().starts_with(kind + "-")) {
        return entry.path();
      }
    }
    return {};
  }
};

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

TEST_F(TrustProviderTest, Threat22APageThatIsNotSignedAsItShouldBeChangesNothing) {
  start_agent();
  ASSERT_EQ(refreshed()["no"], 1);
  const auto grant = granted();
  provider_.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  publish();
  const std::string right(as_text(files_.at(kPage)));
  const std::string payload = right.substr(right.find('.'), right.rfind('.') - right.find('.'));
  const std::string claims = attest::encode_metadata(provider_.metadata).value();
  const std::vector<Bytes> x5c{provider_.certificate};
  testing::Provider stranger(clock_.wall_now());
  const std::vector<Bytes> foreign{stranger.certificate};
  const json none = {{"alg", "none"},
                     {"typ", attest::kMetadataType},
                     {"x5c", json::array({base64_encode(provider_.certificate)})}};
  const std::map<std::string, std::string> forged = {
      {"no algorithm", base64url_encode(as_bytes(none.dump())) + payload + "."},
      {"no algorithm, an old signature",
       base64url_encode(as_bytes(none.dump())) + payload + right.substr(right.rfind('.'))},
      {"another's certificate", attest::sign_metadata(claims, *stranger.key, foreign)},
      {"a member twice", attest::sign_metadata(replaced(claims, "\"no\":2", "\"no\":2,\"no\":2"),
                                               *provider_.key, x5c)}};
  for (const auto& [what, page] : forged) {
    auto files = files_;
    files[kPage] = to_bytes(as_bytes(page));
    serve(files);
    const auto said = refreshed();
    EXPECT_EQ(said["no"], 1) << what;
    EXPECT_EQ(said["state"], "fresh") << what;
    EXPECT_NE(said["error"].dump().find("not accepted"), std::string::npos) << what << said;
    EXPECT_EQ(status()[0]["error"], said["error"]) << what;
    EXPECT_TRUE(mints(grant)) << what;
  }
  serve(files_);
  EXPECT_EQ(refreshed()["no"], 2) << "signed as it should be, the same page counts";
  EXPECT_FALSE(mints(grant));
}

TEST_F(TrustProviderTest, Threat21AListThatIsTooOldRefusesWhatIsNewOnly) {
  write("policy.json", R"({"grace_days": 0})");
  start_agent({"--policy", path_of("policy.json")});
  ASSERT_EQ(refreshed()["state"], "fresh");
  const auto grant = granted();
  serve(provider_.publish(clock_.wall_now(), seconds(-2 * 86400)));
  const auto said = refreshed();
  EXPECT_EQ(said["state"], "stale");
  EXPECT_EQ(said["no"], 2);
  EXPECT_EQ(refusal_of(kPhotos), "metadata_stale");
  EXPECT_TRUE(mints(grant));
  EXPECT_EQ(fetch(grant).json()["body"], "hello");
  EXPECT_NE(latchkey({"doctor", "--json"}).out.find("too old"), std::string::npos);
  publish();
  ASSERT_EQ(refreshed()["state"], "fresh");
  EXPECT_EQ(refusal_of(kPhotos), json(nullptr)) << "new ones may come again";
}

TEST_F(TrustProviderTest, OneOfTwoProvidersIsEnoughToRevoke) {
  testing::Provider other(clock_.wall_now());
  write("other.pem", pem_of({other.root}));
  other.set_origin(kOrigin, OriginStatus::kActive, "Video");
  const auto serve_both = [&](const Files& second) {
    serve_all({{"/v1/", files_}, {"/v2/", second}});
  };
  serve_both(files_);  // what the first has signed does not pass for the second's
  start_agent({"--provider", "Other," + web_.url("/v2") + "," + path_of("other.pem")});
  refreshed();
  ASSERT_EQ(status().size(), 2U);
  EXPECT_EQ(status()[0]["state"], "fresh");
  EXPECT_EQ(status()[1]["state"], "never");
  Conversation client(home_.socket());
  client.hello();
  EXPECT_EQ(client.ask("policy.check", {{"origin", kVideo}})["result"]["code"], "metadata_stale")
      << "what the second revokes is not known";
  serve_both(other.publish(clock_.wall_now()));
  refreshed();
  ASSERT_EQ(status()[1]["state"], "fresh");
  const auto grant = granted();
  other.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  serve_both(other.publish(clock_.wall_now()));
  refreshed();
  EXPECT_EQ(stored_grant()["hold"], "origin_revoked");
  EXPECT_FALSE(mints(grant));
  other.set_origin(kOrigin, OriginStatus::kActive, "Video");
  serve_both(other.publish(clock_.wall_now()));
  refreshed();
  EXPECT_TRUE(mints(grant));
}

TEST_F(TrustProviderTest, ADeltaIsTakenWhereItFitsAndTheWholeWhereItIsDamaged) {
  for (int i = 0; i < 100; ++i) {
    const auto one = Origin::parse("https://service" + std::to_string(i) + ".example").value();
    provider_.set_origin(one, OriginStatus::kActive, "Service");
  }
  publish();
  start_agent();
  ASSERT_EQ(refreshed()["no"], 2);
  const auto publish_with_delta = [&](OriginStatus status, const std::string& file, bool damaged) {
    const auto from = provider_.metadata.table(TableKind::kOrigins).sha256;
    provider_.set_origin(kOrigin, status, "Video");
    publish();
    auto& table = provider_.metadata.table(TableKind::kOrigins);
    const auto key = attest::origin_key(kOrigin);
    const attest::Change change{Bytes(key.begin(), key.end()), false,
                                static_cast<std::uint8_t>(status), to_bytes(as_bytes("Video"))};
    Bytes delta = attest::encode_delta({TableKind::kOrigins, from, table.sha256, {change}});
    table.deltas = {{from, file, crypto::sha256(delta), delta.size()}};
    files_[kPage] = to_bytes(as_bytes(provider_.sign()));
    delta.back() ^= damaged ? 1 : 0;
    files_[file] = delta;
    serve(files_);
    return table.file;
  };
  Conversation client(home_.socket());
  client.hello();
  const auto site = [&] {
    return client.ask("policy.check", {{"origin", kVideo}})["result"]["site"]["state"];
  };
  const auto third = publish_with_delta(OriginStatus::kRevoked, "origins-2-3.lkd", false);
  ASSERT_EQ(refreshed()["no"], 3);
  EXPECT_EQ(site(), "revoked");
  EXPECT_EQ(times_asked("origins-2-3.lkd"), 1U);
  EXPECT_EQ(times_asked(third), 0U) << "the whole table was fetched";
  const auto fourth = publish_with_delta(OriginStatus::kSuspended, "origins-3-4.lkd", true);
  ASSERT_EQ(refreshed()["no"], 4);
  EXPECT_EQ(site(), "suspended");
  EXPECT_EQ(times_asked("origins-3-4.lkd"), 1U);
  EXPECT_EQ(times_asked(fourth), 1U);
  for (const TableKind kind : {TableKind::kModels, TableKind::kDevices}) {
    EXPECT_EQ(times_asked(provider_.metadata.table(kind).file), 1U) << "it did not change";
  }
}

TEST_F(TrustProviderTest, Threat21DamagedFilesOnTheDiskAreFetchedAgain) {
  start_agent();
  ASSERT_EQ(refreshed()["no"], 1);
  const auto grant = granted();
  provider_.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  publish();
  // A server that says "nothing new" to all who have something.
  web_.answer_with([files = files_](const std::string& path, const std::string& head) {
    const auto found = files.find(path.substr(std::string("/v1/").size()));
    return found == files.end() ? https_answer(404, "")
           : head.find("f-None-Match") != std::string::npos
               ? https_answer(304, "")
               : https_answer(200, as_text(found->second), "ETag: \"two\"\r\n");
  });
  ASSERT_EQ(refreshed()["no"], 2);
  ASSERT_EQ(refreshed()["no"], 2);
  const auto table = provider_.metadata.table(TableKind::kOrigins).file;
  ASSERT_EQ(times_asked(table), 1U);
  agent_.reset();
  {
    std::fstream file(kept_table("origins"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('?');
    ASSERT_TRUE(file.good());
  }
  start_agent();
  EXPECT_EQ(status()[0]["state"], "never");
  EXPECT_EQ(stored_grant()["hold"], "origin_revoked") << "what is lost lifts nothing";
  EXPECT_EQ(refreshed()["no"], 2);
  EXPECT_EQ(times_asked(table), 2U);
  EXPECT_EQ(stored_grant()["hold"], "origin_revoked");
  EXPECT_FALSE(mints(grant));
}

TEST_F(TrustProviderTest, Threat21AFolderThatWasRolledBackIsNotBelieved) {
  start_agent();
  ASSERT_EQ(refreshed()["no"], 1);
  const auto grant = granted();
  const auto copy = home_.path() / "older";
  std::filesystem::copy(folder(), copy, std::filesystem::copy_options::recursive);
  provider_.set_origin(kOrigin, OriginStatus::kRevoked, "Video");
  publish();
  ASSERT_EQ(refreshed()["no"], 2);
  agent_.reset();
  const auto place = folder();
  std::filesystem::remove_all(place);
  std::filesystem::rename(copy, place);
  start_agent();
  EXPECT_TRUE(status()[0]["no"].is_null());
  EXPECT_EQ(stored_grant()["hold"], "origin_revoked");
  EXPECT_FALSE(mints(grant));
  EXPECT_EQ(refreshed()["no"], 2);
  EXPECT_EQ(stored_grant()["hold"], "origin_revoked");
}

TEST_F(TrustProviderTest, APolicyThatCannotBeObeyedStopsTheStart) {
  const std::map<std::string, std::string> broken = {
      {"only_atested_devices", R"({"only_atested_devices": true})"},
      {"grace_days", R"({"grace_days": 91})"},
      {"only_registered_origins", R"({"only_registered_origins": "yes"})"},
      {"consented_origins", R"({"consented_origins": [{"origin": "video.example"}]})"}};
  for (const auto& [member, text] : broken) {
    write("policy.json", text);
    auto arguments = agent_arguments();
    arguments.insert(arguments.end(), {"--policy", path_of("policy.json")});
    const auto output = run(arguments, home_.environment());
    EXPECT_EQ(output.exit, 2) << member;
    EXPECT_NE(output.err.find("\"" + member + "\""), std::string::npos) << output.err;
    EXPECT_NE(output.err.find("policy.json"), std::string::npos) << output.err;
  }
}

TEST_F(TrustProviderTest, Threat24AServerThatStallsKeepsNobodyWaiting) {
  start_agent();
  ASSERT_EQ(refreshed()["no"], 1);
  const auto grant = granted();
  const auto before = web_.asked().size();
  web_.answer_with([](const std::string&, const std::string&) {
    return testing::HttpsAnswer{"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx", true};
  });
  Conversation waiting(home_.socket());
  waiting.hello();
  waiting.send({{"id", 99}, {"method", "metadata.refresh"}, {"params", json::object()}});
  while (web_.asked().size() == before) {
    std::this_thread::yield();
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(mints(grant));
  EXPECT_EQ(fetch(grant).json()["body"], "hello");
  const auto devices = latchkey({"devices", "--timeout", "1", "--json"});
  EXPECT_NE(devices.out.find("Kitchen"), std::string::npos) << devices.out << devices.err;
  EXPECT_EQ(agent_->stop(), 0) << "nor the end";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
}

}  // namespace
}  // namespace latchkey::programs
