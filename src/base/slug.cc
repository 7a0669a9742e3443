#include "base/slug.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"

namespace latchkey {
namespace {

// Spellings in the order of the code points; "" has none of its own, "?" is no letter.
// U+00C0 to U+017F.
constexpr std::array<std::string_view, 192> kLatin{
    "a", "a", "a",  "a",  "ae", "a", "ae", "c", "e", "e", "e", "e", "i",  "i", "i",  "i",
    "d", "n", "o",  "o",  "o",  "o", "oe", "?", "o", "u", "u", "u", "ue", "y", "th", "ss",
    "a", "a", "a",  "a",  "ae", "a", "ae", "c", "e", "e", "e", "e", "i",  "i", "i",  "i",
    "d", "n", "o",  "o",  "o",  "o", "oe", "?", "o", "u", "u", "u", "ue", "y", "th", "y",
    "a", "a", "a",  "a",  "a",  "a", "c",  "c", "c", "c", "c", "c", "c",  "c", "d",  "d",
    "d", "d", "e",  "e",  "e",  "e", "e",  "e", "e", "e", "e", "e", "g",  "g", "g",  "g",
    "g", "g", "g",  "g",  "h",  "h", "h",  "h", "i", "i", "i", "i", "i",  "i", "i",  "i",
    "i", "i", "ij", "ij", "j",  "j", "k",  "k", "k", "l", "l", "l", "l",  "l", "l",  "l",
    "l", "l", "l",  "n",  "n",  "n", "n",  "n", "n", "n", "n", "n", "o",  "o", "o",  "o",
    "o", "o", "oe", "oe", "r",  "r", "r",  "r", "r", "r", "s", "s", "s",  "s", "s",  "s",
    "s", "s", "t",  "t",  "t",  "t", "t",  "t", "u", "u", "u", "u", "u",  "u", "u",  "u",
    "u", "u", "u",  "u",  "w",  "w", "y",  "y", "y", "z", "z", "z", "z",  "z", "z",  "s"};

// U+03B1 to U+03C9 (small letters).
constexpr std::array<std::string_view, 25> kGreek{"a", "v", "g", "d", "e",  "z",  "i", "th", "i",
                                                  "k", "l", "m", "n", "x",  "o",  "p", "r",  "s",
                                                  "s", "t", "y", "f", "ch", "ps", "o"};

// Letters with an accent, and capitals, that stand apart from those.
struct Same {
  char32_t from;
  char32_t to;
};
constexpr std::array<Same, 18> kGreekAccents{{{0x386, 0x3B1},
                                              {0x388, 0x3B5},
                                              {0x389, 0x3B7},
                                              {0x38A, 0x3B9},
                                              {0x38C, 0x3BF},
                                              {0x38E, 0x3C5},
                                              {0x38F, 0x3C9},
                                              {0x390, 0x3B9},
                                              {0x3AA, 0x3B9},
                                              {0x3AB, 0x3C5},
                                              {0x3AC, 0x3B1},
                                              {0x3AD, 0x3B5},
                                              {0x3AE, 0x3B7},
                                              {0x3AF, 0x3B9},
                                              {0x3B0, 0x3C5},
                                              {0x3CC, 0x3BF},
                                              {0x3CD, 0x3C5},
                                              {0x3CE, 0x3C9}}};

// U+0430 to U+045F (small letters).
constexpr std::array<std::string_view, 48> kCyrillic{
    "a", "b",  "v",  "g", "d",  "e",  "zh", "z",  "i",  "y",    "k",  "l", "m", "n", "o",  "p",
    "r", "s",  "t",  "u", "f",  "kh", "ts", "ch", "sh", "shch", "",   "y", "",  "e", "yu", "ya",
    "e", "yo", "dj", "g", "ye", "dz", "i",  "yi", "j",  "lj",   "nj", "c", "k", "i", "u",  "dzh"};

// U+3041 to U+3096 (hiragana; katakana are the same, 0x60 further on). A capital letter marks a
// small kana, which joins the one before it.
constexpr std::array<std::string_view, 86> kKana{
    "A",  "a",  "I",   "i",  "U",  "u",   "E",  "e",   "O",  "o",  "ka", "ga", "ki", "gi", "ku",
    "gu", "ke", "ge",  "ko", "go", "sa",  "za", "shi", "ji", "su", "zu", "se", "ze", "so", "zo",
    "ta", "da", "chi", "ji", "",   "tsu", "zu", "te",  "de", "to", "do", "na", "ni", "nu", "ne",
    "no", "ha", "ba",  "pa", "hi", "bi",  "pi", "fu",  "bu", "pu", "he", "be", "pe", "ho", "bo",
    "po", "ma", "mi",  "mu", "me", "mo",  "YA", "ya",  "YU", "yu", "YO", "yo", "ra", "ri", "ru",
    "re", "ro", "WA",  "wa", "i",  "e",   "o",  "n",   "vu", "KA", "KE"};
constexpr char32_t kSmallTsu = 0x3063;

bool within(char32_t code, char32_t low, char32_t high) {
  return code >= low && code <= high;
}

// Marks between words, drawings and the like; what is neither this nor in a table is a letter that
// nobody can spell here.
bool is_mark(char32_t code) {
  return code < 0xC0 || code == 0xD7 || code == 0xF7 || within(code, 0x2000, 0x2BFF) ||
         within(code, 0x3000, 0x303F) || code == 0x30FB || within(code, 0xFE00, 0xFE6F) ||
         within(code, 0xFF00, 0xFF0F) || within(code, 0xFF1A, 0xFF20) ||
         within(code, 0x1F000, 0x1FAFF) || code == kBrokenCodePoint;
}

class Speller {
 public:
  // False: a letter without a spelling.
  bool take(char32_t code) {
    if (within(code, 0xFF01, 0xFF5E)) {  // full-width forms
      code -= 0xFEE0;
    }
    if (within(code, 'A', 'Z')) {
      code += 'a' - 'A';
    }
    if (within(code, 'a', 'z') || within(code, '0', '9')) {
      const char letter = static_cast<char>(code);
      put({&letter, 1});
      return true;
    }
    if (code == '\'' || code == 0x2019 || within(code, 0x300, 0x36F) ||
        within(code, 0x3099, 0x309A)) {
      return true;  // "Mum's" is one word; accents that stand alone go
    }
    if (const auto spelt = spelling(code)) {
      put(*spelt);
      return true;
    }
    if (within(code, 0x3041, 0x3096) || within(code, 0x30A1, 0x30F6)) {
      put_kana(code >= 0x30A1 ? code - 0x60 : code);
      return true;
    }
    if (code == 0x30FC) {
      return true;  // a long vowel
    }
    if (!is_mark(code)) {
      return false;
    }
    gap_ = !text_.empty();
    return true;
  }

  [[nodiscard]] std::string text() const { return text_; }

 private:
  static std::optional<std::string_view> spelling(char32_t code) {
    for (const Same& one : kGreekAccents) {
      if (code == one.from) {
        code = one.to;
      }
    }
    if (within(code, 0x391, 0x3A9)) {
      code += 0x20;
    }
    if (within(code, 0x410, 0x42F)) {
      code += 0x20;
    } else if (within(code, 0x400, 0x40F)) {
      code += 0x50;
    }
    if (within(code, 0xC0, 0x17F) && code != 0xD7 && code != 0xF7) {
      return kLatin.at(code - 0xC0);
    }
    if (within(code, 0x3B1, 0x3C9)) {
      return kGreek.at(code - 0x3B1);
    }
    if (within(code, 0x430, 0x45F)) {
      return kCyrillic.at(code - 0x430);
    }
    if (code == 0x490 || code == 0x491) {
      return "g";
    }
    return std::nullopt;
  }

  void put(std::string_view letters) {
    if (letters.empty()) {
      return;
    }
    if (gap_) {
      text_ += '-';
      gap_ = false;
    }
    if (double_ && letters.front() != 'a' && letters.front() != 'i' && letters.front() != 'u' &&
        letters.front() != 'e' && letters.front() != 'o') {
      text_ += letters.starts_with("ch") ? 't' : letters.front();
    }
    double_ = false;
    text_ += letters;
  }

  void put_kana(char32_t hiragana) {
    if (hiragana == kSmallTsu) {
      double_ = true;
      return;
    }
    const std::string_view letters = kKana.at(hiragana - 0x3041);
    if (letters.front() < 'A' || letters.front() > 'Z') {
      put(letters);
      return;
    }
    std::string small(letters);
    std::transform(small.begin(), small.end(), small.begin(),
                   [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    // Small: "ki" and "ya" are "kya", "shi" and "ya" are "sha", "fu" and "a" are "fa".
    const char last = text_.empty() || gap_ ? '\0' : text_.back();
    if (last == 'i' || last == 'u' || last == 'e' || last == 'o') {
      text_.pop_back();
      const bool hushed = text_.ends_with("sh") || text_.ends_with("ch") || text_.ends_with("j");
      if (hushed && small.front() == 'y') {
        small.erase(0, 1);
      }
    }
    put(small);
  }

  std::string text_;
  bool gap_ = false;
  bool double_ = false;
};

}  // namespace

std::optional<std::string> slug_from(std::string_view text, std::size_t limit) {
  text = text.substr(0, kMaxSlugSource);
  Speller speller;
  while (!text.empty()) {
    if (!speller.take(take_code_point(text))) {
      return std::nullopt;
    }
  }
  std::string slug = speller.text().substr(0, limit);
  while (!slug.empty() && slug.back() == '-') {
    slug.pop_back();
  }
  return slug.empty() ? std::nullopt : std::optional(std::move(slug));
}

}  // namespace latchkey
