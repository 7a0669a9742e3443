#include "pairing/code.h"

#include <gtest/gtest.h>

#include "support/fake_random.h"

namespace latchkey::pairing {
namespace {

using wire::CodeKind;

std::string canonical(const std::optional<PairingCode>& code) {
  return code ? std::string(as_text(code->canonical())) : "none";
}

TEST(PairingCode, DigitsAsPeopleTypeThem) {
  for (const char* typed : {"12345678", "1234 5678", " 1234-5678 ", "1 2 3 4 5 6 7 8",
                            "1234\xE2\x80\x93"
                            "5678"}) {
    EXPECT_EQ(canonical(PairingCode::parse(typed, CodeKind::kDigits8)), "12345678") << typed;
  }
  for (const char* typed : {"1234567", "123456789", "1234567a", "", "1234567O"}) {
    EXPECT_EQ(canonical(PairingCode::parse(typed, CodeKind::kDigits8)), "none") << typed;
  }
}

TEST(PairingCode, CrockfordLookalikes) {
  const auto code = PairingCode::parse("oOiIlL-abcde fghjk mnpqr stvwx", CodeKind::kKey128);
  EXPECT_EQ(canonical(code), "001111ABCDEFGHJKMNPQRSTVWX");
  EXPECT_FALSE(PairingCode::parse("u0000000000000000000000000", CodeKind::kKey128));
}

TEST(PairingCode, MadeCodesParseBack) {
  testing::FakeRandom random;
  for (int i = 0; i < 200; ++i) {
    for (const auto kind : {CodeKind::kDigits8, CodeKind::kKey128}) {
      const auto code = PairingCode::make(kind, random);
      EXPECT_EQ(canonical(PairingCode::parse(code.for_display(), kind)), canonical(code.clone()));
    }
  }
}

TEST(PairingLink, RoundTrip) {
  testing::FakeRandom random;
  const auto code = PairingCode::make(CodeKind::kKey128, random);
  const DeviceId device(random.bytes<32>());
  const std::string text = make_link(code,
                                     "Wohnzimmer & K\xC3\xBC"
                                     "che",
                                     device);
  const auto link = parse_link("  " + text + "\n");
  ASSERT_TRUE(link) << text;
  EXPECT_EQ(link->name,
            "Wohnzimmer & K\xC3\xBC"
            "che");
  EXPECT_EQ(link->device, device);
  EXPECT_EQ(as_text(link->code.canonical()), as_text(code.canonical()));
}

// threats.md row 41: a link from a fraudster is at most a code for one device.
TEST(PairingLink, RefusesAnythingElse) {
  testing::FakeRandom random;
  const std::string good =
      make_link(PairingCode::make(CodeKind::kKey128, random), "x", DeviceId(random.bytes<32>()));
  for (const std::string& text :
       {std::string("https://evil.example"), good + "&k=A", good + "&u=https://evil.example",
        good.substr(0, good.size() - 1), std::string("latchkey:?k=123"), std::string("latchkey:?"),
        good + std::string(600, 'a'), std::string("latchkey:?k=%GG&n=x&h=y")}) {
    EXPECT_FALSE(parse_link(text)) << text;
  }
}

}  // namespace
}  // namespace latchkey::pairing
