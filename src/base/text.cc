#include "base/text.h"

#include <array>
#include <cstdint>
#include <utility>

namespace latchkey {
namespace {

bool within(char32_t code, char32_t low, char32_t high) {
  return code >= low && code <= high;
}

bool is_space(char32_t code) {
  return code == ' ' || code == 0xA0 || code == 0x1680 || within(code, 0x2000, 0x200A) ||
         code == 0x202F || code == 0x205F || code == 0x3000 || within(code, 0x09, 0x0D) ||
         code == 0x2028 || code == 0x2029;
}

// Default-ignorable and format characters (Unicode DerivedCoreProperties), private use and tags.
bool is_invisible(char32_t code) {
  return code < 0x20 || within(code, 0x7F, 0x9F) || code == 0xAD || code == 0x34F ||
         code == 0x61C || within(code, 0x115F, 0x1160) || within(code, 0x17B4, 0x17B5) ||
         within(code, 0x180B, 0x180F) || within(code, 0x200B, 0x200F) ||
         within(code, 0x202A, 0x202E) || within(code, 0x2060, 0x206F) || code == 0x2800 ||
         code == 0x3164 || within(code, 0xE000, 0xF8FF) || within(code, 0xFE00, 0xFE0F) ||
         code == 0xFEFF || code == 0xFFA0 || within(code, 0xFFF0, 0xFFFB) ||
         within(code, 0x1BCA0, 0x1BCA3) || within(code, 0x1D173, 0x1D17A) ||
         within(code, 0xE0000, 0x10FFFF);
}

void put_code_point(std::string& out, char32_t code) {
  const auto put = [&](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U)), put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U)), put(0x80U | ((code >> 6U) & 0x3FU)), put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U)), put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU)), put(0x80U | (code & 0x3FU));
  }
}

char32_t fold_lookalike(char32_t code) {
  static constexpr std::array<std::pair<char32_t, char32_t>, 44> kAlike{{
      {0x430, 'a'}, {0x435, 'e'}, {0x43E, 'o'}, {0x440, 'p'}, {0x441, 'c'}, {0x443, 'y'},
      {0x445, 'x'}, {0x456, 'i'}, {0x458, 'j'}, {0x455, 's'}, {0x501, 'd'}, {0x51B, 'q'},
      {0x51D, 'w'}, {0x410, 'a'}, {0x412, 'b'}, {0x415, 'e'}, {0x41A, 'k'}, {0x41C, 'm'},
      {0x41D, 'h'}, {0x41E, 'o'}, {0x420, 'p'}, {0x421, 'c'}, {0x422, 't'}, {0x423, 'y'},
      {0x425, 'x'}, {0x3B1, 'a'}, {0x3BF, 'o'}, {0x3B9, 'i'}, {0x3BD, 'v'}, {0x3C1, 'p'},
      {0x391, 'a'}, {0x392, 'b'}, {0x395, 'e'}, {0x397, 'h'}, {0x399, 'i'}, {0x39A, 'k'},
      {0x39C, 'm'}, {0x39D, 'n'}, {0x39F, 'o'}, {0x3A1, 'p'}, {0x3A4, 't'}, {0x131, 'i'},
      {'0', 'o'},   {'1', 'i'},
  }};
  if (code >= 'A' && code <= 'Z') {
    code += 'a' - 'A';
  }
  if (within(code, 0xFF01, 0xFF5E)) {  // full-width forms
    return fold_lookalike(code - 0xFEE0);
  }
  for (const auto& [from, to] : kAlike) {
    if (code == from) {
      return to;
    }
  }
  return code == 'l' || code == '|' ? U'i' : code;
}

}  // namespace

char32_t take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  std::size_t length = 1;
  char32_t code = first;
  char32_t least = 0;
  if (first >= 0xF0 && first <= 0xF4) {
    length = 4, code = first & 0x07U, least = 0x10000;
  } else if (first >= 0xE0 && first < 0xF0) {
    length = 3, code = first & 0x0FU, least = 0x800;
  } else if (first >= 0xC2 && first < 0xE0) {
    length = 2, code = first & 0x1FU, least = 0x80;
  } else if (first >= 0x80) {
    text.remove_prefix(1);
    return kBrokenCodePoint;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || (byte(i) & 0xC0U) != 0x80U) {
      text.remove_prefix(1);
      return kBrokenCodePoint;
    }
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
    text.remove_prefix(1);
    return kBrokenCodePoint;
  }
  text.remove_prefix(length);
  return code;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (take_code_point(text) == kBrokenCodePoint) {
      return false;
    }
  }
  return true;
}

std::string clean_display_name(std::string_view text, std::size_t max_bytes) {
  std::string out;
  bool space = false;
  while (!text.empty()) {
    char32_t code = take_code_point(text);
    if (code == kBrokenCodePoint) {
      code = '?';
    }
    if (is_space(code)) {
      space = !out.empty();
      continue;
    }
    if (is_invisible(code)) {
      continue;
    }
    std::string next = space ? " " : "";
    put_code_point(next, code);
    if (out.size() + next.size() > max_bytes) {
      break;
    }
    out += next;
    space = false;
  }
  return out;
}

std::string lookalike_key(std::string_view name) {
  const std::string cleaned = clean_display_name(name);
  std::string_view rest = cleaned;
  std::string key;
  while (!rest.empty()) {
    const char32_t code = take_code_point(rest);
    if (code != ' ' && code != '-' && code != '_') {
      put_code_point(key, fold_lookalike(code));
    }
  }
  return key;
}

}  // namespace latchkey
