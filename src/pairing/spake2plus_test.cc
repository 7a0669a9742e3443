#include "pairing/spake2plus.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "support/fake_random.h"
#include "support/files.h"

namespace latchkey::pairing {
namespace {

using crypto::EcScalar;

class Rfc9383 : public ::testing::Test {
 protected:
  Rfc9383() {
    const Bytes file = testing::read_data("spake2plus-rfc9383.json");
    vector_ = nlohmann::json::parse(file.begin(), file.end());
  }
  std::string text(const char* name) { return vector_.at(name).get<std::string>(); }
  Bytes hex(const char* name) { return hex_decode(text(name), 200).value(); }
  PasswordKey password() { return {EcScalar::reduce(hex("w0")), EcScalar::reduce(hex("w1"))}; }
  nlohmann::json vector_;
};

TEST_F(Rfc9383, BothRolesGiveTheVectorsKeys) {
  const Spake2Prover prover(password(), EcScalar::reduce(hex("x")));
  const Spake2Verifier verifier(verifier_for(password()), EcScalar::reduce(hex("y")));
  EXPECT_EQ(verifier_for(password()).l, hex("L"));
  EXPECT_EQ(prover.share(), hex("share_p"));
  EXPECT_EQ(verifier.share(), hex("share_v"));
  const std::string context = text("context");
  const std::string id_prover = text("id_prover");
  const std::string id_verifier = text("id_verifier");
  const Context names{as_bytes(context), as_bytes(id_prover), as_bytes(id_verifier)};
  const auto p = prover.finish(verifier.share(), names);
  const auto v = verifier.finish(prover.share(), names);
  ASSERT_TRUE(p && v);
  for (const auto* keys : {&*p, &*v}) {
    EXPECT_EQ(to_bytes(keys->shared.span()), hex("K_shared"));
    EXPECT_EQ(to_bytes(keys->confirm_p.span()), hex("confirm_p"));
    EXPECT_EQ(to_bytes(keys->confirm_v.span()), hex("confirm_v"));
  }
}

class Spake2Attack : public ::testing::Test {
 protected:
  static PasswordKey password(std::uint8_t seed) { return password_key_from(Bytes(80, seed)); }
  testing::FakeRandom random_;
  Context names_{as_bytes("c"), as_bytes("a"), as_bytes("d")};
};

// threats.md row 6: nothing in the shares depends on the code in a way that can be tested: for
// every share there is an exponent that explains it under any other code, and two runs share no
// value.
TEST_F(Spake2Attack, Row6TwoRunsWithOneCodeHaveNothingInCommon) {
  const Spake2Prover one(password(1), random_);
  const Spake2Prover two(password(1), random_);
  EXPECT_NE(one.share(), two.share());
  // With the right code and somebody else's ephemeral the recorded confirmation cannot be rebuilt.
  const Spake2Verifier verifier(verifier_for(password(1)), random_);
  const auto real = verifier.finish(one.share(), names_);
  const Spake2Prover guesser(password(1), random_);
  const auto guess = guesser.finish(verifier.share(), names_);
  ASSERT_TRUE(real && guess);
  EXPECT_NE(to_bytes(real->confirm_v.span()), to_bytes(guess->confirm_v.span()));
}

// threats.md row 7.
TEST_F(Spake2Attack, Row7IdentityOffCurveCompressedAndReflectedSharesAreRefused) {
  const Spake2Prover prover(password(1), random_);
  const Spake2Verifier verifier(verifier_for(password(1)), random_);
  Bytes off_curve = verifier.share();
  off_curve.back() ^= 1U;
  Bytes compressed = to_bytes(ByteSpan(verifier.share()).first(33));
  compressed[0] = 0x02;
  for (const Bytes& share : {Bytes{0x00}, Bytes(65), off_curve, compressed, Bytes{}}) {
    EXPECT_FALSE(prover.finish(share, names_));
    EXPECT_FALSE(verifier.finish(share, names_));
  }
  // A share of w0 * N alone makes the prover's Z the identity.
  const auto n = crypto::EcPoint::parse(
      *hex_decode("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49", 33));
  EXPECT_FALSE(prover.finish(n->times(password(1).w0).bytes(), names_));
  // A reflected share gives keys that nobody else has.
  const auto reflected = prover.finish(prover.share(), names_);
  const auto real = verifier.finish(prover.share(), names_);
  ASSERT_TRUE(reflected && real);
  EXPECT_NE(to_bytes(reflected->confirm_v.span()), to_bytes(real->confirm_v.span()));
}

TEST_F(Spake2Attack, AnotherCodeOrContextGivesOtherKeys) {
  const Spake2Prover wrong(password(2), random_);
  const Spake2Verifier verifier(verifier_for(password(1)), random_);
  const auto p = wrong.finish(verifier.share(), names_);
  const auto v = verifier.finish(wrong.share(), names_);
  ASSERT_TRUE(p && v);
  EXPECT_NE(to_bytes(p->confirm_v.span()), to_bytes(v->confirm_v.span()));
  EXPECT_NE(to_bytes(p->shared.span()), to_bytes(v->shared.span()));
}

}  // namespace
}  // namespace latchkey::pairing
