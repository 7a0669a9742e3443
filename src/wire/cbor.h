// CBOR (RFC 8949) as the protocol uses it: one map with text keys; definite lengths, no tags, no
// duplicate keys, nesting of at most 8, nothing after it. The structure is checked here, without
// recursion and without allocating, before any library sees the bytes.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/error.h"

namespace latchkey::wire {

inline constexpr std::size_t kMaxCborDepth = 8;
inline constexpr std::size_t kMaxCborKeys = 64;  // in one map

// kMalformed where the bytes are not as above. Only unsigned and negative integers, byte strings,
// UTF-8 text, arrays, maps with text keys, false, true and null; no floats; shortest-form lengths
// are not required.
Result<void> check_cbor(ByteSpan bytes);

// check_cbor, then the library. The result is an object.
Result<nlohmann::json> decode_cbor(ByteSpan bytes);
Bytes encode_cbor(const nlohmann::json& map);

}  // namespace latchkey::wire
