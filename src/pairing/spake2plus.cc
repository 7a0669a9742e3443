#include "pairing/spake2plus.h"

#include <array>
#include <utility>

#include "base/encoding.h"
#include "crypto/hash.h"

namespace latchkey::pairing {
namespace {

using crypto::EcPoint;
using crypto::EcScalar;

// RFC 9383 section 4, P-256.
constexpr std::string_view kM =
    "02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f";
constexpr std::string_view kN =
    "03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49";

EcPoint fixed_point(std::string_view hex) {
  auto point = EcPoint::parse(hex_decode(hex, 33).value());
  LATCHKEY_CHECK(point.has_value());
  return std::move(*point);
}
const EcPoint& point_m() {
  static const EcPoint kPoint = fixed_point(kM);
  return kPoint;
}
const EcPoint& point_n() {
  static const EcPoint kPoint = fixed_point(kN);
  return kPoint;
}

// Uniform to within 2^-64: 8 bytes more than the order has.
EcScalar random_scalar(Random& random) {
  for (;;) {
    SecretBytes wide(40);
    random.fill(wide.writable());
    EcScalar scalar = EcScalar::reduce(wide.span());
    if (!scalar.is_zero()) {
      return scalar;
    }
  }
}

// The transcript of RFC 9383 section 3.3: each part behind its length, 8 bytes little-endian.
class Transcript {
 public:
  void add(ByteSpan part) {
    ByteArray<8> length{};
    for (std::size_t i = 0; i < length.size(); ++i) {
      length[i] = static_cast<std::uint8_t>(std::uint64_t{part.size()} >> (8 * i));
    }
    put(length);
    put(part);
  }
  [[nodiscard]] Digest256 hash() const { return crypto::sha256(buffer_.span().first(size_)); }

 private:
  void put(ByteSpan part) {
    LATCHKEY_CHECK(part.size() <= buffer_.size() - size_);
    std::copy(part.begin(), part.end(),
              buffer_.writable().begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += part.size();
  }
  // Never grows, so that no copy of Z, V and w0 is left behind.
  SecretBytes buffer_{4096};
  std::size_t size_ = 0;
};

struct SharedPoints {
  ByteSpan share_p;
  ByteSpan share_v;
  const EcPoint& z;
  const EcPoint& v;
  const EcScalar& w0;
};

wire::Result<Spake2Keys> derive(const SharedPoints& points, const Context& context) {
  if (points.z.is_identity() || points.v.is_identity()) {
    return fail(wire::Error{wire::ErrorCode::kMalformed, "a share that gives the identity"});
  }
  Transcript transcript;
  transcript.add(context.context);
  transcript.add(context.id_prover);
  transcript.add(context.id_verifier);
  transcript.add(point_m().bytes());
  transcript.add(point_n().bytes());
  transcript.add(points.share_p);
  transcript.add(points.share_v);
  const SecretBytes z = SecretBytes::copy_of(points.z.bytes());
  const SecretBytes v = SecretBytes::copy_of(points.v.bytes());
  transcript.add(z.span());
  transcript.add(v.span());
  transcript.add(points.w0.bytes().span());
  const SecretBytes main = SecretBytes::copy_of(transcript.hash());
  const SecretBytes confirm =
      crypto::hkdf_sha256(main.span(), {}, as_bytes("ConfirmationKeys"), 64);
  const ByteSpan key_p = confirm.span().first(32);
  const ByteSpan key_v = confirm.span().last(32);
  return Spake2Keys{crypto::hkdf_sha256(main.span(), {}, as_bytes("SharedKey"), 32),
                    SecretBytes::copy_of(crypto::hmac_sha256(key_p, points.share_v)),
                    SecretBytes::copy_of(crypto::hmac_sha256(key_v, points.share_p))};
}

wire::Result<EcPoint> parse_share(ByteSpan octets) {
  auto point = EcPoint::parse_uncompressed(octets);
  if (!point) {
    return fail(wire::Error{wire::ErrorCode::kMalformed, "the share is not a point"});
  }
  return std::move(*point);
}

}  // namespace

PasswordKey password_key_from(ByteSpan pbkdf2_output) {
  LATCHKEY_CHECK(pbkdf2_output.size() == 80);
  return {EcScalar::reduce(pbkdf2_output.first(40)), EcScalar::reduce(pbkdf2_output.last(40))};
}

Verifier verifier_for(const PasswordKey& key) {
  return {key.w0.clone(), EcPoint::generator_times(key.w1).bytes()};
}

Spake2Prover::Spake2Prover(PasswordKey key, Random& random)
    : Spake2Prover(std::move(key), random_scalar(random)) {}

Spake2Prover::Spake2Prover(PasswordKey key, EcScalar x)
    : key_(std::move(key)),
      x_(std::move(x)),
      share_(EcPoint::generator_times(x_).plus(point_m().times(key_.w0)).bytes()) {}

wire::Result<Spake2Keys> Spake2Prover::finish(ByteSpan verifier_share,
                                              const Context& context) const {
  const auto share = parse_share(verifier_share);
  if (!share) {
    return fail(share.error());
  }
  const EcPoint base = share->minus(point_n().times(key_.w0));
  if (base.is_identity()) {
    return fail(wire::Error{wire::ErrorCode::kMalformed, "a share that gives the identity"});
  }
  return derive({share_, verifier_share, base.times(x_), base.times(key_.w1), key_.w0}, context);
}

Spake2Verifier::Spake2Verifier(Verifier verifier, Random& random)
    : Spake2Verifier(std::move(verifier), random_scalar(random)) {}

Spake2Verifier::Spake2Verifier(Verifier verifier, EcScalar y)
    : verifier_(std::move(verifier)),
      y_(std::move(y)),
      share_(EcPoint::generator_times(y_).plus(point_n().times(verifier_.w0)).bytes()) {}

wire::Result<Spake2Keys> Spake2Verifier::finish(ByteSpan prover_share,
                                                const Context& context) const {
  const auto share = parse_share(prover_share);
  const auto l = EcPoint::parse_uncompressed(verifier_.l);
  if (!share) {
    return fail(share.error());
  }
  if (!l) {
    return fail(wire::Error{wire::ErrorCode::kInternal, "no verifier"});
  }
  const EcPoint base = share->minus(point_m().times(verifier_.w0));
  if (base.is_identity()) {
    return fail(wire::Error{wire::ErrorCode::kMalformed, "a share that gives the identity"});
  }
  return derive({prover_share, share_, base.times(y_), l->times(y_), verifier_.w0}, context);
}

}  // namespace latchkey::pairing
