// The frame of every page that the device itself shows to a person, on direct hosts: one style
// sheet, at most one script, both named by their hashes in the policy, and nothing else from
// anywhere. Pages are compiled in; what varies reaches them as JSON and is written as text.
#pragma once

#include <string_view>

#include "front/answers.h"

namespace latchkey::front {

enum class Language { kEnglish, kJapanese };

// From Accept-Language (RFC 9110 section 12.5.4): whichever of the two weighs more, English where
// neither is named. Reads the first 16 entries of the first 512 bytes.
Language language_of(const wire::HttpFields& fields);

// One text in both languages.
struct Words {
  std::string_view english, japanese;
  [[nodiscard]] std::string_view in(Language language) const {
    return language == Language::kJapanese ? japanese : english;
  }
};

struct PageParts {
  int status = 200;
  Words title;
  std::string body;         // of <main>; made here, never of text from outside
  std::string_view script;  // may be empty
  bool has_forms = false;   // may post to this host
};

// With Content-Security-Policy, Referrer-Policy and Cross-Origin-Opener-Policy: whatever opened the
// page, the service's own pages on the same host included, has no hold on its window.
Answer make_page(const PageParts& parts, Language language);

// Whether the answer to this request is shown as a page of its own to somebody.
bool wants_document(const wire::HttpRequestHead& head);

}  // namespace latchkey::front
