// From what a person calls a device to a word that can stand in an address.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace latchkey {

// At most so many bytes of a name are looked at.
inline constexpr std::size_t kMaxSlugSource = 256;

// `[a-z0-9-]`, 1 to `limit` bytes, no '-' at either end and no two in a row: Latin letters without
// their accents ("Küche" becomes "kueche"), Greek and Cyrillic letters and Japanese kana as they
// are usually written in Latin ones, everything else a '-'. Nothing where a letter has no such
// spelling (a kanji, say: half a name would be worse than none) or nothing is left.
//
// Says nothing about whether the word may be used: see HostName::direct and agent/direct_name.h.
std::optional<std::string> slug_from(std::string_view text, std::size_t limit);

}  // namespace latchkey
