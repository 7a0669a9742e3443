#include "crypto/jose.h"

#include <cjose/cjose.h>

#include <algorithm>
#include <bit>
#include <string>

#include "base/encoding.h"

namespace latchkey::crypto {

namespace {

constexpr std::size_t kMinModulus = 2048;
constexpr std::size_t kMaxModulus = 4096;

struct JwsFree {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};
using JwsPtr = std::unique_ptr<cjose_jws_t, JwsFree>;

std::shared_ptr<_cjose_jwk_int> owned(cjose_jwk_t* key) {
  return {key, [](cjose_jwk_t* done) { cjose_jwk_release(done); }};
}

std::size_t bits_of(ByteSpan number) {
  return number.empty()
             ? 0
             : 8 * (number.size() - 1) + static_cast<std::size_t>(std::bit_width(number.front()));
}

}  // namespace

std::string_view name_of(JwsAlgorithm algorithm) {
  switch (algorithm) {
    case JwsAlgorithm::kRs256:
      return "RS256";
    case JwsAlgorithm::kPs256:
      return "PS256";
    case JwsAlgorithm::kEs256:
      return "ES256";
  }
  return {};
}

std::optional<JwsAlgorithm> jws_algorithm_from(std::string_view name) {
  for (const JwsAlgorithm one :
       {JwsAlgorithm::kRs256, JwsAlgorithm::kPs256, JwsAlgorithm::kEs256}) {
    if (name == name_of(one)) {
      return one;
    }
  }
  return std::nullopt;
}

Result<JwsKey> JwsKey::rsa(ByteSpan modulus, ByteSpan exponent) {
  const std::size_t bits = bits_of(modulus);
  const bool odd =
      !modulus.empty() && modulus.back() % 2 == 1 && !exponent.empty() && exponent.back() % 2 == 1;
  const bool tiny = exponent.size() == 1 && exponent.front() < 3;
  if (bits < kMinModulus || bits > kMaxModulus || modulus.front() == 0 || !odd || tiny ||
      exponent.size() > 4 || exponent.front() == 0) {
    return fail(Error{ErrorCode::kUnsupported, "an RSA key of this size is not accepted"});
  }
  Bytes n = to_bytes(modulus);
  Bytes e = to_bytes(exponent);
  cjose_jwk_rsa_keyspec spec{};
  spec.n = n.data();
  spec.nlen = n.size();
  spec.e = e.data();
  spec.elen = e.size();
  cjose_jwk_t* key = cjose_jwk_create_RSA_spec(&spec, nullptr);
  if (key == nullptr) {
    return fail(Error{ErrorCode::kMalformed, "not an RSA key"});
  }
  return JwsKey(owned(key), true);
}

Result<JwsKey> JwsKey::p256(ByteSpan x, ByteSpan y) {
  Bytes own_x = to_bytes(x);
  Bytes own_y = to_bytes(y);
  cjose_jwk_ec_keyspec spec{};
  spec.crv = CJOSE_JWK_EC_P_256;
  spec.x = own_x.data();
  spec.xlen = own_x.size();
  spec.y = own_y.data();
  spec.ylen = own_y.size();
  cjose_jwk_t* key =
      x.size() == 32 && y.size() == 32 ? cjose_jwk_create_EC_spec(&spec, nullptr) : nullptr;
  if (key == nullptr) {
    return fail(Error{ErrorCode::kMalformed, "not a point on P-256"});
  }
  return JwsKey(owned(key), false);
}

bool JwsKey::fits(JwsAlgorithm algorithm) const {
  return is_rsa_ == (algorithm != JwsAlgorithm::kEs256);
}

Result<Bytes> JwsKey::verify(std::string_view compact, JwsAlgorithm algorithm) const {
  // cjose reads base64 generously, and the half of an ECDSA signature is to it r, however long: a
  // token has one spelling here.
  const std::size_t first = compact.find('.');
  const std::size_t second = first == std::string_view::npos ? first : compact.find('.', first + 1);
  const auto signature = second == std::string_view::npos
                             ? std::nullopt
                             : base64url_decode(compact.substr(second + 1), compact.size());
  if (!signature || (!is_rsa_ && signature->size() != 64) ||
      !base64url_decode(compact.substr(0, first), compact.size())) {
    return fail(Error{ErrorCode::kMalformed, "not a JWS"});
  }
  auto payload = base64url_decode(compact.substr(first + 1, second - first - 1), compact.size());
  if (!payload) {
    return fail(Error{ErrorCode::kMalformed, "not a JWS"});
  }
  const JwsPtr jws(cjose_jws_import(compact.data(), compact.size(), nullptr));
  if (jws == nullptr) {
    return fail(Error{ErrorCode::kMalformed, "not a JWS"});
  }
  // cjose goes by the header's word for the algorithm: it has to be the one that was asked for.
  const char* named = cjose_header_get(cjose_jws_get_protected(jws.get()), CJOSE_HDR_ALG, nullptr);
  if (named == nullptr || named != name_of(algorithm) || !fits(algorithm)) {
    return fail(Error{ErrorCode::kBadSignature, "the algorithm is not the key's"});
  }
  if (!cjose_jws_verify(jws.get(), key_.get(), nullptr)) {
    return fail(Error{ErrorCode::kBadSignature, "the signature does not hold"});
  }
  std::uint8_t* plain = nullptr;
  std::size_t size = 0;
  if (!cjose_jws_get_plaintext(jws.get(), &plain, &size, nullptr) ||
      !std::equal(plain, plain + size, payload->begin(), payload->end())) {
    return fail(Error{ErrorCode::kInternal, "cjose read another payload"});
  }
  return *std::move(payload);
}

}  // namespace latchkey::crypto
