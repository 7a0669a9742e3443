#include "crypto/ec_math.h"

#include <utility>

#include "crypto/openssl_ptr.h"

namespace latchkey::crypto {
namespace {

constexpr std::size_t kPointSize = 65;

BnCtxPtr bn_ctx() {
  return checked(BnCtxPtr(BN_CTX_secure_new()));
}

EcPointPtr new_point() {
  return checked(EcPointPtr(EC_POINT_new(p256())));
}

}  // namespace

const EC_GROUP* p256() {
  static const EC_GROUP* const kGroup = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  LATCHKEY_CHECK(kGroup != nullptr);
  return kGroup;
}

struct EcScalar::State {
  BnPtr number;
};
struct EcPoint::State {
  EcPointPtr point;
};

EcScalar::EcScalar(std::unique_ptr<State> state) : state_(std::move(state)) {}
EcScalar::EcScalar(EcScalar&&) noexcept = default;
EcScalar& EcScalar::operator=(EcScalar&&) noexcept = default;
EcScalar::~EcScalar() = default;

EcScalar EcScalar::reduce(ByteSpan bytes) {
  LATCHKEY_CHECK(bytes.size() <= 64);
  const auto wide =
      checked(BnPtr(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), BN_secure_new())));
  auto state = std::make_unique<State>(State{checked(BnPtr(BN_secure_new()))});
  const auto ctx = bn_ctx();
  BN_set_flags(wide.get(), BN_FLG_CONSTTIME);
  LATCHKEY_CHECK(
      BN_nnmod(state->number.get(), wide.get(), EC_GROUP_get0_order(p256()), ctx.get()) == 1);
  BN_set_flags(state->number.get(), BN_FLG_CONSTTIME);
  return EcScalar(std::move(state));
}

EcScalar EcScalar::clone() const {
  return reduce(bytes().span());
}

bool EcScalar::is_zero() const {
  return BN_is_zero(state_->number.get());
}

SecretBytes EcScalar::bytes() const {
  SecretBytes out(32);
  LATCHKEY_CHECK(BN_bn2binpad(state_->number.get(), out.writable().data(), 32) == 32);
  return out;
}

EcPoint::EcPoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
EcPoint::EcPoint(EcPoint&&) noexcept = default;
EcPoint& EcPoint::operator=(EcPoint&&) noexcept = default;
EcPoint::~EcPoint() = default;

std::optional<EcPoint> EcPoint::parse(ByteSpan octets) {
  auto point = new_point();
  const auto ctx = bn_ctx();
  // oct2point also checks that the point is on the curve; the group's cofactor is 1.
  if (octets.empty() || octets.size() > kPointSize ||
      EC_POINT_oct2point(p256(), point.get(), octets.data(), octets.size(), ctx.get()) != 1 ||
      EC_POINT_is_at_infinity(p256(), point.get()) == 1 ||
      EC_POINT_is_on_curve(p256(), point.get(), ctx.get()) != 1) {
    return std::nullopt;
  }
  return EcPoint(std::make_unique<State>(State{std::move(point)}));
}

std::optional<EcPoint> EcPoint::parse_uncompressed(ByteSpan octets) {
  if (octets.size() != kPointSize || octets[0] != 0x04) {
    return std::nullopt;
  }
  return parse(octets);
}

EcPoint EcPoint::generator_times(const EcScalar& k) {
  auto point = new_point();
  const auto ctx = bn_ctx();
  LATCHKEY_CHECK(
      EC_POINT_mul(p256(), point.get(), k.state_->number.get(), nullptr, nullptr, ctx.get()) == 1);
  return EcPoint(std::make_unique<State>(State{std::move(point)}));
}

EcPoint EcPoint::times(const EcScalar& k) const {
  auto point = new_point();
  const auto ctx = bn_ctx();
  LATCHKEY_CHECK(EC_POINT_mul(p256(), point.get(), nullptr, state_->point.get(),
                              k.state_->number.get(), ctx.get()) == 1);
  return EcPoint(std::make_unique<State>(State{std::move(point)}));
}

EcPoint EcPoint::plus(const EcPoint& other) const {
  auto point = new_point();
  const auto ctx = bn_ctx();
  LATCHKEY_CHECK(EC_POINT_add(p256(), point.get(), state_->point.get(), other.state_->point.get(),
                              ctx.get()) == 1);
  return EcPoint(std::make_unique<State>(State{std::move(point)}));
}

EcPoint EcPoint::minus(const EcPoint& other) const {
  auto negative = new_point();
  const auto ctx = bn_ctx();
  LATCHKEY_CHECK(EC_POINT_copy(negative.get(), other.state_->point.get()) == 1);
  LATCHKEY_CHECK(EC_POINT_invert(p256(), negative.get(), ctx.get()) == 1);
  LATCHKEY_CHECK(
      EC_POINT_add(p256(), negative.get(), state_->point.get(), negative.get(), ctx.get()) == 1);
  return EcPoint(std::make_unique<State>(State{std::move(negative)}));
}

bool EcPoint::is_identity() const {
  return EC_POINT_is_at_infinity(p256(), state_->point.get()) == 1;
}

Bytes EcPoint::bytes() const {
  LATCHKEY_CHECK(!is_identity());
  Bytes out(kPointSize);
  const auto ctx = bn_ctx();
  LATCHKEY_CHECK(EC_POINT_point2oct(p256(), state_->point.get(), POINT_CONVERSION_UNCOMPRESSED,
                                    out.data(), out.size(), ctx.get()) == kPointSize);
  return out;
}

}  // namespace latchkey::crypto
