// The attestation key in files and in a real token (SoftHSM2).
#include "device/attester.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "crypto/chain.h"
#include "platform/pkcs11.h"
#include "support/fake_random.h"
#include "support/trust_maker.h"

namespace latchkey::device {
namespace {

using latchkey::testing::Maker;

constexpr WallTime kNow{1'800'000'000};
constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";

class AttesterTest : public ::testing::Test {
 protected:
  AttesterTest() {
    std::string name = (std::filesystem::temp_directory_path() / "latchkey-attest-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    write("chain.pem", crypto::certificates_to_pem(maker_.chain()));
    write("key.pem", crypto::private_key_to_pem(*maker_.key));
    write("pin", "1234\n");
    options_.chain = folder_ / "chain.pem";
  }
  ~AttesterTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(folder_ / name) << text;
    ASSERT_EQ(::chmod((folder_ / name).c_str(), mode), 0);
  }
  Result<std::unique_ptr<attest::Attester>, AttesterError> open() {
    return open_attester(options_, random_, kNow);
  }
  std::string complaint() {
    const auto opened = open();
    return opened ? "" : opened.error().message + " " + opened.error().hint;
  }
  [[nodiscard]] bool tool(const std::string& arguments) const {
    return std::system(("softhsm2-util " + arguments + " >/dev/null 2>&1").c_str()) == 0;
  }
  // A token of its own that holds the maker's key.
  void make_token() {
    std::filesystem::create_directory(folder_ / "tokens");
    write("softhsm2.conf", "directories.tokendir = " + (folder_ / "tokens").string() +
                               "\nobjectstore.backend = file\nlog.level = ERROR\n");
    ASSERT_EQ(::setenv("SOFTHSM2_CONF", (folder_ / "softhsm2.conf").c_str(), 1), 0);
    ASSERT_TRUE(tool("--init-token --free --label maker --pin 1234 --so-pin 5678"));
    ASSERT_TRUE(tool("--import " + (folder_ / "key.pem").string() +
                     " --token maker --label attest --id 01 --pin 1234"));
    options_.module = kModule;
    options_.token = "maker";
    options_.object = "attest";
    options_.pin_file = folder_ / "pin";
  }

  latchkey::testing::FakeRandom random_;
  Maker maker_{kNow, attest::Aaguid({1, 2, 3})};
  std::filesystem::path folder_;
  AttestationOptions options_;
};

TEST_F(AttesterTest, NothingIsAskedFor) {
  options_ = {};
  const auto attester = open();
  ASSERT_TRUE(attester);
  EXPECT_EQ(*attester, nullptr);
}

TEST_F(AttesterTest, AFileKeySigns) {
  options_.key = folder_ / "key.pem";
  const auto attester = open();
  ASSERT_TRUE(attester) << attester.error().message;
  const Bytes statement = {1, 2, 3};
  EXPECT_TRUE(maker_.key->public_key().verify(statement, (*attester)->sign(statement).value()));
  EXPECT_EQ((*attester)->chain(), maker_.chain());
}

TEST_F(AttesterTest, OptionsThatDoNotFitAreRefused) {
  EXPECT_TRUE(open().error().misused) << "certificates without a key";
  options_.key = folder_ / "key.pem";
  options_.module = kModule;
  EXPECT_TRUE(open().error().misused) << "two keys";
  options_.key.clear();
  options_.token = "maker";
  EXPECT_TRUE(open().error().misused) << "a token without the key's name";
  options_ = {};
  options_.key = folder_ / "key.pem";
  EXPECT_TRUE(open().error().misused) << "a key without certificates";
}

TEST_F(AttesterTest, FilesThatAreNotFitAreRefused) {
  options_.key = folder_ / "key.pem";
  write("key.pem", crypto::private_key_to_pem(*maker_.key), 0640);
  EXPECT_NE(complaint().find("chmod 600"), std::string::npos) << complaint();
  write("key.pem", crypto::private_key_to_pem(crypto::PrivateKey::generate()));
  EXPECT_NE(complaint().find("not that of the first certificate"), std::string::npos);
  write("key.pem", crypto::private_key_to_pem(*maker_.key));
  write("chain.pem", crypto::certificates_to_pem(std::vector<Bytes>{maker_.middle}));
  EXPECT_NE(complaint().find("none for attestation"), std::string::npos) << "a CA";
  write("chain.pem", "nothing");
  EXPECT_NE(complaint().find("does not hold"), std::string::npos);
  options_.chain = folder_ / "absent.pem";
  EXPECT_NE(complaint().find("cannot be read"), std::string::npos);
}

TEST_F(AttesterTest, ATokenSigns) {
  make_token();
  const auto attester = open();
  ASSERT_TRUE(attester) << attester.error().message;
  const Bytes statement = {1, 2, 3};
  EXPECT_TRUE(maker_.key->public_key().verify(statement, (*attester)->sign(statement).value()));
}

TEST_F(AttesterTest, ATokenTellsItsPublicKey) {
  make_token();
  const auto signer =
      platform::Pkcs11Signer::open({options_.module, "maker", "attest", options_.pin_file});
  ASSERT_TRUE(signer) << signer.error().message;
  const auto key = (*signer)->public_key();
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_TRUE(*key == maker_.key->public_key());
}

TEST_F(AttesterTest, WhatIsMissingIsNamed) {
  make_token();
  options_.token = "other";
  EXPECT_NE(complaint().find("one that is there: maker"), std::string::npos) << complaint();
  options_.token = "maker";
  options_.object = "other";
  EXPECT_NE(complaint().find("no EC private key called \"other\""), std::string::npos);
  options_.object = "attest";
  options_.module = "/nowhere/module.so";
  EXPECT_NE(complaint().find("cannot be loaded"), std::string::npos);
  options_.module = kModule;
  options_.pin_file = folder_ / "absent";
  EXPECT_NE(complaint().find("cannot be read"), std::string::npos);
}

TEST_F(AttesterTest, APinIsItsOwnersAloneAndNeverShown) {
  make_token();
  write("pin", "98765432\n", 0644);
  EXPECT_NE(complaint().find("can be read by others"), std::string::npos);
  write("pin", "98765432\n", 0600);
  const std::string said = complaint();
  EXPECT_NE(said.find("refuses the PIN"), std::string::npos) << said;
  EXPECT_EQ(said.find("98765432"), std::string::npos);
}

// Taken out and put back while the device runs.
TEST_F(AttesterTest, ATokenThatCameBackSignsAgain) {
  make_token();
  const auto attester = open();
  ASSERT_TRUE(attester) << attester.error().message;
  const Bytes statement = {1, 2, 3};
  std::filesystem::rename(folder_ / "tokens", folder_ / "away");
  std::filesystem::create_directory(folder_ / "tokens");
  EXPECT_FALSE((*attester)->sign(statement)) << "never passed off as having none";
  std::filesystem::remove(folder_ / "tokens");
  std::filesystem::rename(folder_ / "away", folder_ / "tokens");
  const auto signature = (*attester)->sign(statement);
  ASSERT_TRUE(signature);
  EXPECT_TRUE(maker_.key->public_key().verify(statement, *signature));
}

}  // namespace
}  // namespace latchkey::device
