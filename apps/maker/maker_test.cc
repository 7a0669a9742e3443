// From a maker's root to a device that runs with what it issued: the programs as they are run, with
// a real token (SoftHSM2).
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "agent/programs.h"

namespace latchkey::maker {
namespace {

using programs::Arguments;
using programs::Background;
using programs::Home;
using programs::Output;
using programs::program;

constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";

class MakerTest : public ::testing::Test {
 protected:
  MakerTest() {
    environment_ = home_.environment();
    std::filesystem::create_directory(home_.path() / "tokens");
    std::ofstream(at("softhsm2.conf")) << "directories.tokendir = " << at("tokens")
                                       << "\nobjectstore.backend = file\nlog.level = ERROR\n";
    environment_["SOFTHSM2_CONF"] = at("softhsm2.conf");
    std::ofstream(at("pin")) << "1234\n";
    EXPECT_EQ(::chmod(at("pin").c_str(), 0600), 0);
  }
  [[nodiscard]] std::string at(const std::string& name) const { return home_.path() / name; }
  Output maker(Arguments arguments) {
    arguments.insert(arguments.begin(), {program("latchkey-maker"), "--json"});
    return programs::run(arguments, environment_);
  }
  // What it says when it does something, or fails the test.
  nlohmann::json made(const Arguments& arguments) {
    const Output output = maker(arguments);
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    return output.json();
  }
  std::string complaint(const Arguments& arguments) {
    const Output output = maker(arguments);
    EXPECT_EQ(output.exit, 1) << output.out << output.err;
    return output.out;
  }
  void make_authority() {
    made({"root", "new", "--name", "Acme root", "--organization", "Acme", "--out", at("root")});
    made({"intermediate", "new", "--issuer", at("root"), "--name", "Factory 1", "--out",
          at("middle")});
    aaguid_ = made({"aaguid", "new"}).value("aaguid", "");
  }
  Arguments batch(const std::string& out, const Arguments& more = {}) {
    Arguments all = {"batch", "new",    "--issuer", at("middle"), "--aaguid",
                     aaguid_, "--name", "Batch 1",  "--out",      at(out)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Arguments device(const Arguments& more) {
    Arguments all = {program("latchkey-device"),
                     "run",
                     "--state",
                     at("state"),
                     "--port",
                     "0",
                     "--listen",
                     "127.0.0.1",
                     "--mdns",
                     "off",
                     "--serve",
                     home_.path()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] Arguments token(const std::string& prefix, const std::string& label) const {
    return {"--" + prefix + "pkcs11", kModule,  "--" + prefix + "token",    label,
            "--" + prefix + "object", "attest", "--" + prefix + "pin-file", at("pin")};
  }
  // The key is made in the token and never leaves it.
  void make_token() {
    ASSERT_EQ(programs::run({"/usr/bin/softhsm2-util", "--init-token", "--free", "--label", "line",
                             "--pin", "1234", "--so-pin", "5678"},
                            environment_)
                  .exit,
              0);
    ASSERT_EQ(programs::run({"/usr/bin/pkcs11-tool", "--module", kModule, "--token-label", "line",
                             "--login", "--pin", "1234", "--keypairgen", "--key-type",
                             "EC:prime256v1", "--label", "attest", "--id", "01"},
                            environment_)
                  .exit,
              0);
  }
  static mode_t mode_of(const std::string& path) {
    struct stat state{};
    return ::stat(path.c_str(), &state) == 0 ? state.st_mode & 07777U : 0;
  }

  Home home_;
  programs::Environment environment_;
  std::string aaguid_;
};

TEST_F(MakerTest, ABatchKeyInAFileRunsADevice) {
  make_authority();
  made(batch("batch"));
  EXPECT_EQ(mode_of(at("batch.key")), 0600U);
  const auto shown = made({"show", at("batch.pem")}).at("certificates");
  ASSERT_EQ(shown.size(), 2U) << "the batch's and the intermediate, without the root";
  EXPECT_EQ(shown[0].at("aaguid"), aaguid_);
  EXPECT_EQ(shown[1].at("kind"), "intermediate");
  const auto judged = made({"check", "--chain", at("batch.pem"), "--root", at("root.pem"), "--key",
                            at("batch.key"), "--aaguid", aaguid_});
  EXPECT_TRUE(judged.at("ok"));
  Background running(
      device({"--attestation-chain", at("batch.pem"), "--attestation-key", at("batch.key")}),
      environment_, "listening on ");
  EXPECT_EQ(running.stop(), 0);
}

TEST_F(MakerTest, AKeyInATokenNeverLeavesIt) {
  make_authority();
  make_token();
  const auto document = made(batch("batch", token("", "line")));
  EXPECT_FALSE(document.contains("key"));
  EXPECT_FALSE(std::filesystem::exists(at("batch.key")));
  Arguments check = {"check", "--chain", at("batch.pem"), "--root", at("root.pem")};
  const auto named = token("", "line");
  check.insert(check.end(), named.begin(), named.end());
  EXPECT_TRUE(made(check).at("key_tried"));
  Arguments more = {"--attestation-chain", at("batch.pem")};
  const auto where = token("attestation-", "line");
  more.insert(more.end(), where.begin(), where.end());
  Background running(device(more), environment_, "listening on ");
  EXPECT_EQ(running.stop(), 0);
}

TEST_F(MakerTest, ADeviceWhoseTokenIsMissingSaysSo) {
  make_authority();
  make_token();
  made(batch("batch", token("", "line")));
  Arguments more = {"--attestation-chain", at("batch.pem")};
  const auto where = token("attestation-", "other");
  more.insert(more.end(), where.begin(), where.end());
  const Output output = programs::run(device(more), environment_);
  EXPECT_EQ(output.exit, 1);
  EXPECT_NE(output.err.find("There is no token called \"other\""), std::string::npos) << output.err;
  EXPECT_NE(output.err.find("line"), std::string::npos) << "says which are there";
}

TEST_F(MakerTest, NothingIsOverwritten) {
  make_authority();
  EXPECT_NE(
      complaint({"root", "new", "--name", "Other", "--out", at("root")}).find("there already"),
      std::string::npos);
  std::filesystem::remove(at("root.key"));
  EXPECT_NE(
      complaint({"root", "new", "--name", "Other", "--out", at("root")}).find("there already"),
      std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(at("root.key"))) << "no half of a pair is left";
}

TEST_F(MakerTest, CheckFindsWhatAnAgentWouldRefuse) {
  make_authority();
  made(batch("batch"));
  made(batch("second"));
  made({"root", "new", "--name", "Other root", "--out", at("other")});
  const Arguments good = {"check", "--chain", at("batch.pem"), "--root"};
  const auto with = [&](const Arguments& more) {
    Arguments all = good;
    all.insert(all.end(), more.begin(), more.end());
    return complaint(all);
  };
  EXPECT_NE(with({at("other.pem")}).find("will not take this chain"), std::string::npos);
  EXPECT_NE(with({at("root.pem"), "--key", at("second.key")}).find("not the certificate's"),
            std::string::npos);
  EXPECT_NE(with({at("root.pem"), "--aaguid", "00000000-0000-4000-8000-000000000000"})
                .find("is for the model"),
            std::string::npos);
  EXPECT_NE(complaint({"batch", "new", "--issuer", at("middle"), "--aaguid", "x", "--name", "B",
                       "--out", at("b")})
                .find("is no AAGUID"),
            std::string::npos);
}

TEST_F(MakerTest, ExportsWhatAProviderImports) {
  make_authority();
  const auto document =
      made({"export", "--vendor", "Acme", "--contact", "pki@acme.example", "--root", at("root.pem"),
            "--model", aaguid_ + ",media-cache,MC 200, black"});
  EXPECT_EQ(document.at("v"), 1);
  EXPECT_EQ(document.at("vendor").at("name"), "Acme");
  EXPECT_EQ(document.at("roots").size(), 1U);
  const auto& model = document.at("models").at(0);
  EXPECT_EQ(model.at("aaguid"), aaguid_);
  EXPECT_EQ(model.at("name"), "MC 200, black");
  EXPECT_EQ(model.at("roots").at(0),
            made({"show", at("root.pem")}).at("certificates").at(0).at("sha256"));
  std::ofstream(at("acme.json")) << document.dump();
  const auto provider = [&](Arguments arguments) {
    arguments.insert(arguments.begin(), {program("latchkey-provider"), "--json", "--database",
                                         "sqlite:" + at("provider.db")});
    const Output output = programs::run(arguments, environment_);
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    return output.json();
  };
  provider({"init"});
  provider({"vendor", "import", at("acme.json")});
  EXPECT_NE(provider({"model", "list"}).dump().find(aaguid_), std::string::npos);
  EXPECT_NE(complaint({"export", "--vendor", "A", "--contact", "c", "--root", at("middle.pem")})
                .find("no root"),
            std::string::npos);
}

}  // namespace
}  // namespace latchkey::maker
