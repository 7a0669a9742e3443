// Text from outside, made safe to show.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace latchkey {

// Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view text);

// Takes one code point off the front of a text that is not empty; kBrokenCodePoint, and one byte
// taken, where it is not UTF-8.
inline constexpr char32_t kBrokenCodePoint = 0xFFFFFFFF;
char32_t take_code_point(std::string_view& text);

// A name that a stranger chose, fit for one line of a window: control, bidirectional, zero-width
// and other invisible characters are removed, white space becomes single blanks, broken UTF-8
// becomes
// '?', and the result ends at a whole character within `max_bytes`. May come out empty.
std::string clean_display_name(std::string_view text, std::size_t max_bytes = 63);

// A lower-case key under which names that look alike compare equal: ASCII case folded, blanks
// dropped, and the commonest look-alikes (Cyrillic and Greek letters, digits for letters) mapped.
// Only for warnings: it is no proof that two names differ.
std::string lookalike_key(std::string_view name);

}  // namespace latchkey
