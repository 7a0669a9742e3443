#include "crypto/jose.h"

#include <cjose/cjose.h>
#include <gtest/gtest.h>

#include <string>

#include "base/encoding.h"
#include "crypto/keys.h"

namespace latchkey::crypto {
namespace {

// A provider's key pair and what it signs, made by cjose itself.
class Signer {
 public:
  explicit Signer(std::size_t bits) {
    const std::uint8_t e[] = {1, 0, 1};
    key_ = cjose_jwk_create_RSA_random(bits, e, sizeof e, nullptr);
  }
  ~Signer() { cjose_jwk_release(key_); }
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  [[nodiscard]] std::string sign(const char* algorithm, std::string_view payload) const {
    cjose_header_t* header = cjose_header_new(nullptr);
    cjose_header_set(header, CJOSE_HDR_ALG, algorithm, nullptr);
    cjose_jws_t* jws =
        cjose_jws_sign(key_, header, reinterpret_cast<const std::uint8_t*>(payload.data()),
                       payload.size(), nullptr);
    const char* text = nullptr;
    cjose_jws_export(jws, &text, nullptr);
    std::string out(text);
    cjose_jws_release(jws);
    cjose_header_release(header);
    return out;
  }
  [[nodiscard]] Bytes member(const std::string& name) const {
    char* json = cjose_jwk_to_json(key_, false, nullptr);
    const std::string text(json);
    cjose_get_dealloc()(json);
    const std::size_t at = text.find("\"" + name + "\":\"") + name.size() + 4;
    return *base64url_decode(text.substr(at, text.find('"', at) - at), 1024);
  }

 private:
  cjose_jwk_t* key_ = nullptr;
};

std::string es256(const PrivateKey& key, std::string_view header, std::string_view payload) {
  const std::string signed_part =
      base64url_encode(as_bytes(header)) + "." + base64url_encode(as_bytes(payload));
  return signed_part + "." + base64url_encode(key.sign_raw(as_bytes(signed_part)));
}

Result<JwsKey> key_of(const PrivateKey& key) {
  const ByteSpan point = key.public_key().point();
  return JwsKey::p256(point.subspan(1, 32), point.subspan(33, 32));
}

TEST(JwsKey, TakesWhatTheKeySignedWithTheAlgorithmThatWasAskedFor) {
  const Signer signer(2048);
  const auto key = JwsKey::rsa(signer.member("n"), signer.member("e"));
  ASSERT_TRUE(key);
  const std::string rs = signer.sign("RS256", "{\"a\":1}");
  const std::string ps = signer.sign("PS256", "{\"a\":2}");
  ASSERT_TRUE(key->verify(rs, JwsAlgorithm::kRs256));
  EXPECT_EQ(as_text(*key->verify(rs, JwsAlgorithm::kRs256)), "{\"a\":1}");
  EXPECT_EQ(as_text(*key->verify(ps, JwsAlgorithm::kPs256)), "{\"a\":2}");
  EXPECT_FALSE(key->verify(rs, JwsAlgorithm::kPs256));
  EXPECT_FALSE(key->verify(ps, JwsAlgorithm::kRs256));
  EXPECT_FALSE(key->verify(rs, JwsAlgorithm::kEs256));
  EXPECT_FALSE(key->verify(signer.sign("RS384", "{}"), JwsAlgorithm::kRs256));

  const auto ec = PrivateKey::generate();
  const std::string es = es256(ec, R"({"alg":"ES256"})", "{}");
  ASSERT_TRUE(key_of(ec)->verify(es, JwsAlgorithm::kEs256));
  EXPECT_FALSE(key_of(PrivateKey::generate())->verify(es, JwsAlgorithm::kEs256));
  EXPECT_FALSE(key->verify(es, JwsAlgorithm::kEs256));
}

TEST(JwsKey, RefusesTokensWithoutASignatureOrWithAnHmac) {
  const auto ec = PrivateKey::generate();
  const auto key = key_of(ec);
  ASSERT_TRUE(key);
  for (const std::string_view header :
       {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({"alg":"es256"})", R"({})"}) {
    const std::string token = es256(ec, header, "{}");
    EXPECT_FALSE(key->verify(token, JwsAlgorithm::kEs256)) << header;
    EXPECT_FALSE(key->verify(token.substr(0, token.rfind('.') + 1), JwsAlgorithm::kEs256))
        << header;
  }
  std::string token = es256(ec, R"({"alg":"ES256"})", "{}");
  ASSERT_TRUE(key->verify(token, JwsAlgorithm::kEs256));
  EXPECT_FALSE(key->verify(token + "A", JwsAlgorithm::kEs256));
  EXPECT_FALSE(key->verify(token + ".", JwsAlgorithm::kEs256));
  EXPECT_FALSE(key->verify(token.substr(0, token.size() - 2), JwsAlgorithm::kEs256));
  EXPECT_FALSE(key->verify("", JwsAlgorithm::kEs256));
  EXPECT_FALSE(key->verify("..", JwsAlgorithm::kEs256));
}

TEST(JwsKey, RefusesKeysOfOtherSizesAndPointsOffTheCurve) {
  const Bytes e = {1, 0, 1};
  Bytes n(256, 0xFF);
  EXPECT_TRUE(JwsKey::rsa(n, e));
  EXPECT_FALSE(JwsKey::rsa(n, Bytes{1}));
  EXPECT_FALSE(JwsKey::rsa(n, Bytes{2}));
  EXPECT_FALSE(JwsKey::rsa(n, Bytes{1, 0, 0, 0, 1}));
  EXPECT_FALSE(JwsKey::rsa(n, Bytes{}));
  EXPECT_FALSE(JwsKey::rsa(Bytes(128, 0xFF), e));
  EXPECT_FALSE(JwsKey::rsa(Bytes(513, 0xFF), e));
  EXPECT_FALSE(JwsKey::rsa(Bytes{}, e));
  n.front() = 0x7F;  // 2047 bits
  EXPECT_FALSE(JwsKey::rsa(n, e));
  EXPECT_FALSE(JwsKey::p256(Bytes(32, 1), Bytes(32, 1)));
  EXPECT_FALSE(JwsKey::p256(Bytes(31, 1), Bytes(32, 1)));
}

}  // namespace
}  // namespace latchkey::crypto
