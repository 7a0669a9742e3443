#include "wire/messages.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "wire/cbor.h"

namespace latchkey::wire {
namespace {

Offer offer() {
  return {GrantId({1}),
          Origin::parse("https://video.example"),
          *HostName::parse("media-cache-k3f7x2m7q4ab.local"),
          {2},
          Bytes(91, 3),
          Bytes(91, 4),
          "AAAAAAAAAAAAAAAAAAAAAA",
          {1'700'000'000}};
}

TEST(Messages, OfferRoundTrip) {
  const Bytes encoded = encode(offer());
  const auto decoded = decode<Offer>(encoded);
  ASSERT_TRUE(decoded) << decoded.error().detail;
  EXPECT_EQ(encode(*decoded), encoded);
  Offer direct = offer();
  direct.origin.reset();
  EXPECT_FALSE(decode<Offer>(encode(direct))->origin);
}

TEST(Messages, AnOfferMayNameWithWhomPeopleSignIn) {
  const Bytes without = encode(offer());
  Offer named = offer();
  named.sso = SignInOffer::make("https://accounts.example/", "video");
  const auto decoded = decode<Offer>(encode(named));
  ASSERT_TRUE(decoded && decoded->sso);
  EXPECT_EQ(decoded->sso, named.sso);
  named.sso->client.clear();
  EXPECT_EQ(decode<Offer>(encode(named))->sso->client, "");
  EXPECT_FALSE(decode<Offer>(without)->sso);
  auto map = *decode_cbor(encode(named));
  const auto with = [&map](const nlohmann::json& sso) {
    map["sso"] = sso;
    return decode<Offer>(encode_cbor(map)).has_value();
  };
  EXPECT_TRUE(with({{"issuer", "https://accounts.example"}, {"future", 1}}));
  for (const nlohmann::json& wrong : std::vector<nlohmann::json>{
           nullptr,
           "https://accounts.example",
           nlohmann::json::object(),
           {{"issuer", "http://accounts.example"}},
           {{"issuer", "https://ACCOUNTS.example"}},
           {{"issuer", "https://accounts.example"}, {"client", ""}},
           {{"issuer", "https://accounts.example"}, {"client", nullptr}},
           {{"issuer", "https://accounts.example"}, {"client", "a b"}},
           {{"issuer", "https://accounts.example"}, {"client", std::string(256, 'a')}},
           {{"issuer", "https://accounts.example/" + std::string(600, 'a')}}}) {
    EXPECT_FALSE(with(wrong)) << wrong.dump();
  }
  // Nobody names a provider for a device that a person opens themselves.
  map["sso"] = {{"issuer", "https://accounts.example"}};
  map["origin"] = nullptr;
  EXPECT_FALSE(decode<Offer>(encode_cbor(map)));
}

TEST(Messages, SignInRequestRoundTrip) {
  const SignInRequest request{GrantId({7}), *SignInOffer::make("https://a.example", "video")};
  const auto decoded = decode<SignInRequest>(encode(request));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->grant, request.grant);
  EXPECT_EQ(decoded->sso, request.sso);
  EXPECT_FALSE(decode<SignInRequest>(encode(RenewRequest{GrantId({7})})));
}

TEST(Messages, HellosRoundTrip) {
  EXPECT_EQ(decode<AgentHello>(encode(AgentHello{{9}}))->nonce[0], 9);
  const DeviceHello hello{{1}, DeviceId({2}), Bytes(16, 3), 100000, CodeKind::kKey128, 0};
  const auto decoded = decode<DeviceHello>(encode(hello));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->code, CodeKind::kKey128);
  EXPECT_EQ(decoded->salt, Bytes(16, 3));
}

TEST(Messages, CsrAndCertRoundTrip) {
  CsrMessage csr{Bytes(200, 1), Bytes(91, 2), Bytes(70, 3), {}, "Cache",
                 "media-cache", "",           "",           {4}};
  const Bytes encoded = encode(csr);
  EXPECT_EQ(encode(*decode<CsrMessage>(encoded)), encoded);
  csr.attestation = {"packed", Bytes(70, 5), {Bytes(300, 6)}};
  const auto attested = decode<CsrMessage>(encode(csr));
  ASSERT_TRUE(attested);
  EXPECT_EQ(attested->attestation.x5c.size(), 1U);
  const CertMessage cert{GrantId({1}), Bytes(400, 1), Bytes(500, 2), {5}};
  EXPECT_EQ(encode(*decode<CertMessage>(encode(cert))), encode(cert));
}

TEST(Messages, MissingAndMistypedFieldsAreMalformed) {
  const auto whole = decode_cbor(encode(offer()));
  for (const auto& [name, value] : whole->items()) {
    auto missing = *whole;
    missing.erase(name);
    const auto refused = decode<Offer>(encode_cbor(missing));
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kMalformed);
    auto mistyped = *whole;
    mistyped[name] = true;
    EXPECT_FALSE(decode<Offer>(encode_cbor(mistyped))) << name;
  }
  auto more = *whole;
  more["future"] = 1;
  EXPECT_TRUE(decode<Offer>(encode_cbor(more))) << "unknown keys are ignored";
}

TEST(Messages, OfferRefusesNamesAndOriginsThatAreNotCanonical) {
  auto map = *decode_cbor(encode(offer()));
  map["host"] = "NAS.local";
  EXPECT_FALSE(decode<Offer>(encode_cbor(map)));
  map = *decode_cbor(encode(offer()));
  map["origin"] = "null";
  EXPECT_FALSE(decode<Offer>(encode_cbor(map)));
}

// threats.md row 32: another suite or a cheaper key derivation.
TEST(Messages, DowngradesAreRefused) {
  const DeviceHello hello{{1}, DeviceId({2}), Bytes(16, 3), 100000, CodeKind::kDigits8, 5};
  auto map = *decode_cbor(encode(hello));
  map["suite"] = "plain";
  EXPECT_EQ(decode<DeviceHello>(encode_cbor(map)).error().code, ErrorCode::kUnsupported);
  map = *decode_cbor(encode(hello));
  map["kdf"]["iter"] = 1;
  EXPECT_FALSE(decode<DeviceHello>(encode_cbor(map)));
  map = *decode_cbor(encode(hello));
  map["v"] = 0;
  EXPECT_FALSE(decode<DeviceHello>(encode_cbor(map)));
}

TEST(Messages, AnErrorInsteadOfAMessageComesFromThePeer) {
  const auto refused = decode<DoneMessage>(encode(ErrorMessage{ErrorCode::kNameConflict, "x"}));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().from_peer);
  EXPECT_EQ(refused.error().code, ErrorCode::kNameConflict);
}

TEST(Messages, EveryErrorCodeHasAName) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const auto value = static_cast<ErrorCode>(code);
    EXPECT_EQ(error_code_from(name_of(value)), value);
  }
  EXPECT_FALSE(error_code_from("nothing"));
}

}  // namespace
}  // namespace latchkey::wire
