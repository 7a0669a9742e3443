// `latchkey-provider serve` as it is run, asked over HTTPS by curl.
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "agent/programs.h"
#include "attest/metadata.h"
#include "base/encoding.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "net/local_message.h"
#include "net/task.h"
#include "store/postgres_server.h"
#include "store/provider_store.h"

namespace latchkey::programs {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kModel = "01234567-89ab-cdef-0123-456789abcdef";
constexpr std::size_t kMaxBody = 1048576;

WallTime now() {
  return {std::chrono::duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_secret(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
  std::filesystem::permissions(path, std::filesystem::perms(0600));
}
crypto::IssueFields fields(const std::string& name, std::optional<std::uint8_t> ca, WallTime at) {
  return {.common_name = name,
          .organization = "",
          .not_before = at - seconds(86400),
          .not_after = at + seconds(86400 * 30LL),
          .ca_path_length = ca,
          .aaguid = std::nullopt};
}

// What another process does in its own time. Asking takes time of its own, so this needs no pause.
template <class Holds>
bool soon(const Holds& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < until) {
    if (holds()) {
      return true;
    }
  }
  return false;
}

struct Reply {
  int status = 0;
  std::string head, body;  // the head in lower case
  [[nodiscard]] json document() const { return json::parse(body, nullptr, false); }
  [[nodiscard]] std::string field(const std::string& name) const {
    const std::size_t at = head.find("\r\n" + name + ": ");
    const std::size_t start = at + name.size() + 4;
    return at == std::string::npos ? "" : head.substr(start, head.find("\r\n", start) - start);
  }
};

class Serving {
 public:
  Serving(const Home& home, const std::string& database)
      : home_(home), process_(command(home, database), home.environment(), kListening) {}

  Reply ask(const std::string& path, Arguments more) {
    const std::string port = process_.line().substr(process_.line().rfind(' ') + 1);
    more.insert(more.begin(), {"/usr/bin/curl", "-sS", "-4", "-i", "--path-as-is", "--cacert",
                               (home_.path() / "tls.ca").string()});
    more.push_back("https://localhost:" + port + path);
    const Output output = run(more, home_.environment());
    EXPECT_EQ(output.exit, 0) << path << ": " << output.err;
    Reply reply;
    const std::size_t end = std::min(output.out.find("\r\n\r\n"), output.out.size());
    reply.head = output.out.substr(0, end) + "\r\n";
    std::ranges::transform(reply.head, reply.head.begin(),
                           [](unsigned char c) { return std::tolower(c); });
    reply.status = std::atoi(reply.head.substr(reply.head.find(' ') + 1).c_str());
    reply.body = output.out.substr(std::min(end + 4, output.out.size()));
    return reply;
  }
  Reply get(const std::string& path, const std::string& token) {
    return ask(path, {"-H", "Authorization: Bearer " + token});
  }
  Reply post(const std::string& path, const std::string& token, const json& body) {
    return ask(path, {"-H", "Authorization: Bearer " + token, "-d", body.dump()});
  }
  // That everything there is has been published.
  bool is_caught_up(const std::string& token) {
    const json status = get("/v1/status", token).document();
    return status["published"].is_object() && status["published"]["seq"] == status["seq"];
  }
  Background& process() { return process_; }

 private:
  static constexpr const char* kListening = "latchkey-provider: listening on 127.0.0.1 port ";
  static Arguments command(const Home& home, const std::string& database) {
    const auto at = [&](const char* name) { return (home.path() / name).string(); };
    // One stream of everything it says.
    return {"/bin/sh",
            "-c",
            "exec \"$0\" \"$@\" 2>&1",
            program("latchkey-provider"),
            "--database",
            database,
            "serve",
            "--keys",
            at("keys"),
            "--output",
            at("public"),
            "--tls-chain",
            at("tls.pem"),
            "--tls-key",
            at("tls.key"),
            "--port",
            "0",
            "--serve-files"};
  }
  const Home& home_;
  Background process_;
};

class ServeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = make_database();
    keys_ = (home_.path() / "keys").string();
    ASSERT_EQ(provider({"init"}).exit, 0);
    ASSERT_EQ(provider({"key", "root", "new", "--keys", keys_}).exit, 0);
    ASSERT_EQ(provider({"key", "new", "--keys", keys_}).exit, 0);
    admin_ = provider({"token", "add", "boss", "--role", "admin", "--json"})
                 .json()["token"]
                 .get<std::string>();
    make_tls_identity();
  }
  virtual std::string make_database() {
    return "sqlite:" + (home_.path() / "provider/p.db").string();
  }
  Output provider(Arguments arguments) {
    arguments.insert(arguments.begin(), {program("latchkey-provider"), "--database", database_});
    return run(arguments, home_.environment());
  }
  Serving serve() { return Serving(home_, database_); }
  std::string token(Serving& server, const std::string& role) {
    const Reply made = server.post("/v1/tokens", admin_, {{"name", role}, {"role", role}});
    EXPECT_EQ(made.status, 201) << made.body;
    return made.document().value("secret", "");
  }
  // What an agent that pins the root makes of a page.
  [[nodiscard]] attest::SignedMetadata verified(const std::string& page) const {
    const auto root = crypto::certificates_from_pem(read_file(keys_ + "/root.pem")).value();
    return attest::verify_metadata(page, root, now()).value();
  }
  static json revocation(char digit) {
    return {{"keys", {std::string(64, digit)}}, {"reason", "leak"}};
  }

  Home home_;
  std::string database_, keys_, admin_;

 private:
  void make_tls_identity() {
    net::SystemRandom random;
    const WallTime at = now();  // of both: a leaf does not outlive its issuer
    const auto root_key = crypto::PrivateKey::generate();
    const std::vector<Bytes> root{
        crypto::issue_root(fields("Test root", 0, at), root_key, random).value()};
    const auto key = crypto::PrivateKey::generate();
    const std::vector<Bytes> leaf{crypto::issue_certificate(fields("localhost", std::nullopt, at),
                                                            key.public_key(),
                                                            {root_key, root.front()}, random)
                                      .value()};
    std::ofstream(home_.path() / "tls.ca") << crypto::certificates_to_pem(root);
    std::ofstream(home_.path() / "tls.pem") << crypto::certificates_to_pem(leaf);
    write_secret(home_.path() / "tls.key", crypto::private_key_to_pem(key));
  }
};

TEST_F(ServeTest, RolesAreKeptAndStatusNeedsAReason) {
  Serving server = serve();
  EXPECT_EQ(server.get("/v1/status", admin_).document()["token"], "boss");
  const std::string registrar = token(server, "registrar");
  const std::string reviewer = token(server, "reviewer");
  const std::string auditor = token(server, "auditor");
  const json acme = {{"name", "Acme"},
                     {"contact", "mailto:a@acme.example"},
                     {"roots", {read_file(home_.path() / "tls.ca")}}};
  EXPECT_EQ(server.post("/v1/vendors", reviewer, acme).status, 403);
  const Reply vendor = server.post("/v1/vendors", registrar, acme);
  ASSERT_EQ(vendor.status, 201) << vendor.body;
  const json model = {{"aaguid", kModel},
                      {"vendor", vendor.document()["id"]},
                      {"name", "MC 200"},
                      {"type", "media-cache"}};
  EXPECT_EQ(server.post("/v1/models", auditor, model).status, 403);
  ASSERT_EQ(server.post("/v1/models", registrar, model).status, 201);
  const std::string status = "/v1/models/" + kModel + "/status";
  const json leak = {{"status", "REVOKED"}, {"reason", "leak"}};
  EXPECT_EQ(server.post(status, registrar, leak).status, 403);
  EXPECT_EQ(server.post(status, reviewer, {{"status", "REVOKED"}}).status, 400);
  EXPECT_EQ(server.post(status, reviewer, {{"status", "REVOKED"}, {"reason", ""}}).status, 400);
  EXPECT_EQ(server.get("/v1/models/" + kModel, auditor).document()["reports"].size(), 1U);
  EXPECT_EQ(server.post(status, reviewer, leak).document()["reports"].size(), 2U);
  EXPECT_EQ(server.post("/v1/devices/revoked", reviewer, {{"keys", {std::string(64, 'a')}}}).status,
            400);
  for (const auto& role : {registrar, reviewer, auditor}) {
    EXPECT_EQ(server.get("/v1/tokens", role).status, 403);
    EXPECT_EQ(server.get("/v1/audit", role).status, 200);
  }
  EXPECT_EQ(server.post("/v1/publish", auditor, json::object()).status, 403);
  EXPECT_THAT(server.get("/v1/audit?limit=1000", auditor).body, HasSubstr("leak"));

  ASSERT_EQ(provider({"token", "remove", "auditor"}).exit, 0);
  EXPECT_EQ(server.get("/v1/audit", auditor).status, 401);
  EXPECT_EQ(server.process().stop(), 0);
  for (const std::string& secret : {admin_, registrar, reviewer, auditor}) {
    EXPECT_THAT(server.process().output(), Not(HasSubstr(secret)));
  }
}

TEST_F(ServeTest, WrongTokensAreAnsweredAlikeAndNotForLong) {
  Serving server = serve();
  const std::string bearer = "Authorization: Bearer ";
  const std::string wrong = "lkp_" + std::string(admin_.size() - 4, 'A');
  const std::vector<std::pair<std::string, Arguments>> attempts = {
      {"/v1/status", {"-H", bearer + wrong}},
      {"/v1/status", {}},
      {"/v1/status", {"-H", bearer}},
      {"/v1/status", {"-H", "Authorization: Basic " + admin_}},
      {"/v1/status", {"-H", bearer + admin_ + "A"}},
      {"/v1/status", {"-H", bearer + admin_.substr(0, admin_.size() - 1)}},
      {"/v1/status", {"-H", bearer + admin_, "-H", bearer + admin_}},
      {"/v1/nonsense", {"-H", bearer + wrong}},  // which paths there are is nobody's business
      {"/v1/publish", {"-X", "PATCH", "-H", bearer + wrong}},
      {"/v1/devices/revoked", {"-d", "{", "-H", bearer + wrong}},
  };
  const Reply first = server.ask(attempts.front().first, attempts.front().second);
  EXPECT_EQ(first.status, 401);
  EXPECT_EQ(first.field("www-authenticate"), "bearer");
  for (std::size_t i = 1; i < attempts.size(); ++i) {
    const Reply reply = server.ask(attempts[i].first, attempts[i].second);
    EXPECT_EQ(reply.head, first.head) << i;
    EXPECT_EQ(reply.body, first.body) << i;
  }
  const Reply eleventh = server.get("/v1/status", wrong);
  EXPECT_EQ(eleventh.status, 429);
  EXPECT_NE(eleventh.field("retry-after"), "");
  // The right one does not get through either: else its answer would tell.
  EXPECT_EQ(server.get("/v1/status", admin_).status, 429);
  EXPECT_EQ(server.ask("/v1/status", {"--interface", "127.0.0.2", "-H", bearer + admin_}).status,
            200);
  EXPECT_NE(server.ask("/metadata.jws", {}).status, 429);  // files are everybody's
  EXPECT_EQ(server.process().stop(), 0);
  EXPECT_THAT(server.process().output(), Not(HasSubstr(wrong)));
  EXPECT_THAT(server.process().output(), Not(HasSubstr(admin_.substr(0, admin_.size() - 1))));
}

TEST_F(ServeTest, BodiesThatAreTooLongAreRefusedBeforeTheyAreRead) {
  Serving server = serve();
  const std::string bearer = "Authorization: Bearer " + admin_;
  // Announced and never sent: whoever answers has not waited for it.
  const Reply refused = server.ask(
      "/v1/vendors",
      {"-X", "POST", "-H", bearer, "-H", "Content-Length: " + std::to_string(kMaxBody + 1)});
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.field("connection"), "close");
  const std::string file = (home_.path() / "body").string();
  std::ofstream(file) << std::string(kMaxBody, ' ');
  EXPECT_EQ(server.ask("/v1/vendors", {"--data-binary", "@" + file, "-H", bearer}).status, 400);
  EXPECT_EQ(server.get("/v1/status", admin_).status, 200);
}

TEST_F(ServeTest, ARevocationIsPublishedServedAndSignedAnewWithTheNextKey) {
  Serving server = serve();
  ASSERT_TRUE(soon([&] { return server.ask("/metadata.jws", {}).status == 200; }));
  const auto before = verified(server.ask("/metadata.jws", {}).body);
  ASSERT_EQ(server.post("/v1/devices/revoked", admin_, revocation('a')).status, 200);
  ASSERT_TRUE(soon([&] {
    // It is in the records a moment before it is on the shelf.
    return verified(server.ask("/metadata.jws", {}).body).metadata.no > before.metadata.no;
  }));

  const Reply page = server.ask("/metadata.jws", {});
  ASSERT_EQ(page.status, 200);
  const auto metadata = verified(page.body);
  EXPECT_EQ(metadata.metadata.no, before.metadata.no + 1);
  for (const attest::TableFile& table : metadata.metadata.tables) {
    const Reply file = server.ask("/" + table.file, {});
    EXPECT_EQ(file.body.size(), table.size);
    EXPECT_EQ(crypto::sha256(as_bytes(file.body)), table.sha256) << table.file;
    EXPECT_THAT(file.field("cache-control"), HasSubstr("immutable"));
  }
  const std::string devices =
      server.ask("/" + metadata.metadata.table(attest::TableKind::kDevices).file, {}).body;
  const auto table = attest::Table::open(as_bytes(devices), attest::TableKind::kDevices).value();
  EXPECT_TRUE(table.find(attest::device_key(SpkiHash::parse(std::string(64, 'a')).value())));

  const Reply known = server.ask("/metadata.jws", {"-H", "If-None-Match: " + page.field("etag")});
  EXPECT_EQ(known.status, 304);
  EXPECT_EQ(known.body, "");
  EXPECT_EQ(server.ask("/metadata.jws", {"-H", "If-None-Match: \"x\""}).status, 200);
  for (const char* path : {"/", "/../keys/root.key", "/../keys/signing.pem",
                           "/%2e%2e/keys/root.key", "/x.lkt", "/../public/metadata.jws"}) {
    EXPECT_EQ(server.ask(path, {}).status, 404) << path;
  }

  ASSERT_EQ(provider({"key", "new", "--keys", keys_}).exit, 0);
  ASSERT_EQ(::kill(server.process().pid(), SIGHUP), 0);
  std::string next;
  ASSERT_TRUE(soon([&] { return (next = server.ask("/metadata.jws", {}).body) != page.body; }));
  const auto rolled = verified(next);
  EXPECT_GT(rolled.signer_not_before, metadata.signer_not_before);
  const auto floor = attest::raise(attest::raise({}, metadata).value(), rolled);
  ASSERT_TRUE(floor);
  EXPECT_FALSE(attest::raise(*floor, metadata));
  EXPECT_EQ(server.process().stop(), 0);
  EXPECT_THAT(server.process().output(), Not(HasSubstr(admin_)));
}

TEST_F(ServeTest, KeysThatCannotBeReadLeaveTheOnesInUse) {
  Serving server = serve();
  ASSERT_TRUE(soon([&] { return server.is_caught_up(admin_); }));
  std::ofstream(home_.path() / "tls.pem") << "nonsense";
  std::ofstream(keys_ + "/signing.pem") << "nonsense";
  ASSERT_EQ(::kill(server.process().pid(), SIGHUP), 0);
  ASSERT_TRUE(soon([&] {
    EXPECT_EQ(server.get("/v1/status", admin_).status, 200);
    return server.process().output().find("signing key stays") != std::string::npos;
  }));
  ASSERT_EQ(server.post("/v1/devices/revoked", admin_, revocation('b')).status, 200);
  ASSERT_EQ(server.post("/v1/publish", admin_, json::object()).status, 202);
  // It is in the records a moment before it is on the shelf.
  EXPECT_TRUE(
      soon([&] { return verified(server.ask("/metadata.jws", {}).body).metadata.no == 2U; }));
}

enum class Engine { kSqlite, kPostgres };

class ServeTogetherTest : public ServeTest, public ::testing::WithParamInterface<Engine> {
 protected:
  std::string make_database() override {
    return GetParam() == Engine::kPostgres ? store::PostgresServer::shared().create_database()
                                           : ServeTest::make_database();
  }
  // That both were asked to publish at the same moment and one of them did.
  void change(Serving& one, Serving& other, char digit) {
    ASSERT_EQ(one.post("/v1/devices/revoked", admin_, revocation(digit)).status, 200);
    for (Serving* each : {&one, &other}) {
      ASSERT_EQ(each->post("/v1/publish", admin_, json::object()).status, 202);
    }
    ASSERT_TRUE(soon([&] { return other.is_caught_up(admin_); }));
    EXPECT_EQ(one.get("/v1/status", admin_).document()["published"],
              other.get("/v1/status", admin_).document()["published"]);
  }
};

TEST_P(ServeTogetherTest, TwoOnOneDatabasePublishOnceForAChange) {
  Serving one = serve();
  Serving other = serve();
  ASSERT_TRUE(soon([&] { return other.is_caught_up(admin_); }));
  change(one, other, 'a');
  change(other, one, 'b');
  // Who publishes leaves; the other goes on at once.
  const auto holder =
      one.get("/v1/status", admin_).document()["publisher"]["holder"].get<std::string>();
  const std::string pid = "/" + std::to_string(one.process().pid()) + "/";
  const bool is_one = holder.find(pid) != std::string::npos;
  Serving& stays = is_one ? other : one;
  EXPECT_EQ((is_one ? one : other).process().stop(), 0);
  ASSERT_EQ(stays.post("/v1/devices/revoked", admin_, revocation('c')).status, 200);
  ASSERT_EQ(stays.post("/v1/publish", admin_, json::object()).status, 202);
  ASSERT_TRUE(soon([&] { return stays.is_caught_up(admin_); }));
  const std::string page = stays.ask("/metadata.jws", {}).body;
  EXPECT_EQ(stays.process().stop(), 0);  // so nobody publishes any more

  const auto done = store::ProviderStore::open(database_).value()->publications(100).value();
  ASSERT_EQ(done.size(), 4U);
  for (std::size_t i = 0; i < done.size(); ++i) {
    EXPECT_EQ(done[i].no, 4 - i);
    EXPECT_TRUE(i == 0 || done[i].seq < done[i - 1].seq);
  }
  EXPECT_EQ(done.front().jws, page);
}

INSTANTIATE_TEST_SUITE_P(Engines, ServeTogetherTest,
                         ::testing::Values(Engine::kSqlite, Engine::kPostgres),
                         [](const auto& param_info) {
                           return param_info.param == Engine::kPostgres ? "Postgres" : "SQLite";
                         });

}  // namespace
}  // namespace latchkey::programs
