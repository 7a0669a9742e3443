// Digest fields (RFC 9530), of SHA-256.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/http_head.h"

namespace latchkey::cache {

inline constexpr std::string_view kReprDigest = "Repr-Digest";
inline constexpr std::string_view kContentDigest = "Content-Digest";

struct SaidDigest {
  enum class Kind {
    kNone,    // nothing that we know: no field, or other algorithms only
    kBroken,  // not a dictionary of byte sequences, or SHA-256 of another length, or two of them
    kSha256
  };
  Kind kind = Kind::kNone;
  Digest256 value{};
};

// What `name` says, over all its fields. Algorithms that we do not know are passed over, as section
// 2 asks.
SaidDigest read_digest(const wire::HttpFields& fields, std::string_view name);

// "sha-256=:...:"
std::string digest_value(const Digest256& digest);

}  // namespace latchkey::cache
