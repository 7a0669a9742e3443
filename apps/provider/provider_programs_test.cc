// The program as it is run, with a web service on real HTTPS.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "agent/programs.h"
#include "crypto/keys.h"
#include "support/https_server.h"

namespace latchkey::programs {
namespace {

using ::testing::HasSubstr;
using testing::https_answer;
using testing::HttpsAnswer;
using testing::HttpsServer;
using ::testing::Not;

const std::string kModel = "01234567-89ab-cdef-0123-456789abcdef";

class ProviderProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = "sqlite:" + (home_.path() / "provider/p.db").string();
    ASSERT_EQ(provider({"init"}).exit, 0);
  }
  Output provider(Arguments arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), {program("latchkey-provider"), "--database", database_});
    return run(arguments, home_.environment(), input);
  }
  // With what a test's web service needs.
  Output allowing(Arguments arguments, const HttpsServer& server) {
    arguments.insert(arguments.end(), {"--allow-private", "--ca-file", server.ca_file()});
    return provider(arguments);
  }
  std::string write(const std::string& name, const std::string& text) {
    const auto path = home_.path() / name;
    std::ofstream(path) << text;
    return path.string();
  }
  std::string root_file() {
    crypto::IssueFields fields{.common_name = "Acme Root",
                               .organization = "Acme",
                               .not_before = {1700000000},
                               .not_after = {4000000000},
                               .ca_path_length = 1,
                               .aaguid = {}};
    net::SystemRandom random;
    const std::vector<Bytes> root{
        crypto::issue_root(fields, crypto::PrivateKey::generate(), random).value()};
    return write("root.pem", crypto::certificates_to_pem(root));
  }
  void add_acme() {
    const auto added = provider(
        {"vendor", "add", "Acme", "--contact", "mailto:a@acme.example", "--root", root_file()});
    ASSERT_EQ(added.exit, 0) << added.err;
  }

  Home home_;
  std::string database_;
};

// What a web service says about itself.
std::string about(const std::string& origin, const std::string& more = {}) {
  return R"({"v":1,"origin":")" + origin +
         R"(","name":"Video","icon":"/i.png","contact":"mailto:a@video.example")" + more + "}";
}
HttpsServer::Answer always(HttpsAnswer answer) {
  return [answer](const std::string&, const std::string&) { return answer; };
}

TEST_F(ProviderProgramTest, AWebServiceFromItsRegistrationToItsEnd) {
  HttpsServer server(always({}));
  const std::string origin = server.url();
  server.answer_with(always(https_answer(200, about(origin))));
  const auto added = allowing({"origin", "add", origin, "--json"}, server);
  ASSERT_EQ(added.exit, 0) << added.out << added.err;
  EXPECT_EQ(added.json()["name"], "Video");
  EXPECT_EQ(added.json()["icon"], origin + "/i.png");
  EXPECT_THAT(server.asked().at(0), HasSubstr("GET /.well-known/latchkey-origin.json HTTP/1.1"));
  EXPECT_EQ(allowing({"origin", "add", origin}, server).exit, 1);
  EXPECT_EQ(provider({"origin", "revoke", origin}).exit, 2);  // why?
  ASSERT_EQ(provider({"origin", "revoke", origin, "--reason", "malware", "--as", "ada"}).exit, 0);
  const auto shown = provider({"origin", "show", origin, "--json"});
  EXPECT_EQ(shown.json()["status"], "revoked");
  EXPECT_EQ(shown.json()["reason"], "malware");
  EXPECT_EQ(provider({"origin", "suspend", origin, "--reason", "x"}).exit, 1);
  // Looking again changes its name, not its status.
  server.answer_with(always(https_answer(200, about(origin, R"(,"later":1)"))));
  ASSERT_EQ(allowing({"origin", "check", origin}, server).exit, 0);
  EXPECT_EQ(provider({"origin", "show", origin, "--json"}).json()["status"], "revoked");
  ASSERT_EQ(provider({"origin", "reinstate", origin, "--reason", "cleaned"}).exit, 0);
  const auto log = provider({"audit"});
  EXPECT_THAT(log.out, HasSubstr("ada (local)  origin.status"));
  EXPECT_THAT(log.out, HasSubstr("malware"));
}

TEST_F(ProviderProgramTest, WebServicesThatAreNotRegistered) {
  HttpsServer server(always({}));
  HttpsServer elsewhere(always(https_answer(200, "{}")));
  const std::string origin = server.url();
  const std::string good = about(origin);
  const std::vector<std::pair<HttpsAnswer, int>> answers = {
      {https_answer(302, good, "Location: " + elsewhere.url("/") + "\r\n"), 3},
      {https_answer(404, good), 3},
      {https_answer(200, about(origin, ",\"x\":\"" + std::string(16500, 'x') + "\"")), 2},
      {https_answer(200, about("https://video.example")), 2},
      {https_answer(200, about(elsewhere.url())), 2},
      {https_answer(200, about(origin, R"(,"origin":"https://video.example")")), 2},
      {https_answer(200, about(origin, R"(,"name":"Twice")")), 2},
      {https_answer(200, good + good), 2},
      {https_answer(200, "<html>"), 2},
      {{"this is no HTTP\r\n\r\n", false}, 3},
  };
  for (const auto& [answer, exit] : answers) {
    server.answer_with(always(answer));
    const auto refused = allowing({"origin", "add", origin}, server);
    EXPECT_EQ(refused.exit, exit) << answer.bytes.substr(0, 200) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr(origin));
  }
  EXPECT_TRUE(elsewhere.asked().empty());  // no redirect was followed
  EXPECT_EQ(provider({"origin", "list", "--json"}).out, "[]\n");
  EXPECT_EQ(provider({"audit"}).out, "");
}

TEST_F(ProviderProgramTest, PrivateAddressesAreNotAsked) {
  HttpsServer server(always({}));
  server.answer_with(always(https_answer(200, about(server.url()))));
  const auto refused = provider({"origin", "add", server.url(), "--ca-file", server.ca_file()});
  EXPECT_EQ(refused.exit, 2);
  EXPECT_THAT(refused.err, HasSubstr("private address"));
  EXPECT_TRUE(server.asked().empty());
  // Nor is a certificate believed that nobody vouches for.
  EXPECT_EQ(provider({"origin", "add", server.url(), "--allow-private"}).exit, 3);
  EXPECT_TRUE(server.asked().empty());
}

TEST_F(ProviderProgramTest, MakersAndModels) {
  add_acme();
  EXPECT_EQ(
      provider({"vendor", "add", "Acme", "--contact", "mailto:a@b.c", "--root", root_file()}).exit,
      1);
  ASSERT_EQ(provider({"model", "add", kModel, "--vendor", "Acme", "--name", "MC 200"}).exit, 0);
  EXPECT_EQ(provider({"model", "status", kModel, "REVOKED"}).exit, 2);
  EXPECT_EQ(provider({"model", "status", kModel, "EVIL", "--reason", "x"}).exit, 2);
  ASSERT_EQ(provider({"model", "status", kModel, "REVOKED", "--reason", "leak"}).exit, 0);
  const auto models = provider({"model", "list", "--json"}).json();
  EXPECT_EQ(models[0]["aaguid"], kModel);
  EXPECT_EQ(models[0]["reports"].size(), 2U);
  EXPECT_EQ(models[0]["reports"][1]["reason"], "leak");
  EXPECT_EQ(provider({"vendor", "show", "Nobody"}).exit, 1);
}

TEST_F(ProviderProgramTest, AMakersFileFromStandardInput) {
  std::ifstream pem(root_file());
  const std::string root{std::istreambuf_iterator<char>(pem), {}};
  const nlohmann::json file = {
      {"v", 1},
      {"vendor", {{"name", "Acme"}, {"contact", "mailto:a@acme.example"}}},
      {"roots", {root}},
      {"models", {{{"aaguid", kModel}, {"name", "MC 200"}, {"type", "media-cache"}}}}};
  const auto done = provider({"vendor", "import", "-", "--json"}, file.dump());
  ASSERT_EQ(done.exit, 0) << done.out << done.err;
  EXPECT_EQ(done.json()["models_added"], 1);
  EXPECT_EQ(provider({"vendor", "import", "-"}, "{}").exit, 2);
}

TEST_F(ProviderProgramTest, DevicesOneByOneAndByTheFile) {
  const std::string key(64, 'a');
  EXPECT_EQ(provider({"device", "revoke", key}).exit, 2);
  ASSERT_EQ(provider({"device", "revoke", key, "--reason", "lost"}).exit, 0);
  EXPECT_EQ(provider({"device", "revoke", key, "--reason", "lost"}).exit, 1);
  const std::string good = "# stolen\n" + key + "\n" + std::string(64, 'b') + "\n";
  // A mistake anywhere changes nothing.
  const auto bad = provider({"device", "import", write("bad", good + "zz\n"), "--reason", "x"});
  EXPECT_EQ(bad.exit, 2);
  EXPECT_THAT(bad.err, HasSubstr("line 4"));
  EXPECT_EQ(provider({"device", "list", "--json"}).json().size(), 1U);
  const auto done =
      provider({"device", "import", write("good", good), "--reason", "stolen", "--json"});
  EXPECT_EQ(done.json()["added"], 1) << done.err;
  EXPECT_EQ(done.json()["known"], 1);
  ASSERT_EQ(provider({"device", "restore", key, "--reason", "found"}).exit, 0);
  EXPECT_EQ(provider({"device", "list", "--json"}).json().size(), 1U);
}

TEST_F(ProviderProgramTest, TokensAreShownOnce) {
  const auto made = provider({"token", "add", "ci", "--role", "registrar", "--json"});
  const auto token = made.json()["token"].get<std::string>();
  EXPECT_THAT(token, ::testing::StartsWith("lkp_"));
  EXPECT_EQ(provider({"token", "add", "x", "--role", "local"}).exit, 2);
  for (const Arguments& look : {Arguments{"token", "list"}, Arguments{"token", "list", "--json"},
                                Arguments{"audit"}, Arguments{"audit", "--json"}}) {
    EXPECT_THAT(provider(look).out, Not(HasSubstr(token)));
  }
  std::ifstream file(home_.path() / "provider/p.db", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(bytes, Not(HasSubstr(token)));
  EXPECT_EQ(provider({"token", "remove", "ci"}).exit, 0);
  EXPECT_EQ(provider({"token", "remove", "ci"}).exit, 1);
}

TEST_F(ProviderProgramTest, TablesFitEightyColumns) {
  HttpsServer server(always({}));
  const std::string origin = server.url();
  const std::string name(64, 'n');
  server.answer_with(
      always(https_answer(200, R"({"v":1,"origin":")" + origin + R"(","name":")" + name +
                                   R"(","contact":"mailto:a@video.example"})")));
  ASSERT_EQ(allowing({"origin", "add", origin}, server).exit, 0);
  std::istringstream lines(provider({"origin", "list"}).out);
  for (std::string line; std::getline(lines, line);) {
    const auto columns =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
    EXPECT_LE(columns, 80) << line;
  }
}

TEST_F(ProviderProgramTest, ExitCodesAndWhatToDoNext) {
  EXPECT_EQ(provider({"nonsense"}).exit, 2);
  EXPECT_EQ(provider({}).exit, 2);
  EXPECT_EQ(provider({"origin", "add", "http://video.example"}).exit, 2);
  EXPECT_EQ(provider({"origin", "show", "https://video.example"}).exit, 1);
  const auto missing = provider({"vendor", "list", "--json"});
  EXPECT_EQ(missing.exit, 0);
  database_ = "sqlite:" + (home_.path() / "none/p.db").string();
  const auto unready = provider({"vendor", "list"});
  EXPECT_EQ(unready.exit, 3);
  EXPECT_THAT(unready.err, HasSubstr("latchkey-provider init"));
  EXPECT_EQ(provider({"vendor", "list", "--json"}).json()["error"]["code"], "unreachable");
  database_ = "mysql://x";
  EXPECT_EQ(provider({"vendor", "list"}).exit, 2);
}

TEST_F(ProviderProgramTest, TheConfigurationFileNamesTheDatabase) {
  const std::string file = write("provider.conf", "database = \"" + database_ + "\"\n");
  const auto listed =
      run({program("latchkey-provider"), "--config", file, "origin", "list", "--json"},
          home_.environment());
  EXPECT_EQ(listed.exit, 0) << listed.err;
  EXPECT_EQ(listed.out, "[]\n");
}

TEST_F(ProviderProgramTest, TheLogCanBeFollowed) {
  add_acme();
  std::thread later(
      [this] { EXPECT_EQ(provider({"token", "add", "ci", "--role", "auditor"}).exit, 0); });
  const Background follower(
      {program("latchkey-provider"), "--database", database_, "audit", "--follow", "--after", "1"},
      home_.environment(), "2  ");
  later.join();
  EXPECT_THAT(follower.line(), HasSubstr("token.add"));
}

}  // namespace
}  // namespace latchkey::programs
