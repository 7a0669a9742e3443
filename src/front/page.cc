#include "front/page.h"

#include <charconv>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "front/page_style.h"

namespace latchkey::front {

namespace {

constexpr std::size_t kMaxEntries = 16;
constexpr std::size_t kMaxField = 512;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The weight in thousandths; what is not one counts as 0.
int weight_of(std::string_view parameters) {
  parameters = trim(parameters);
  if (parameters.empty()) {
    return 1000;
  }
  if (!parameters.starts_with("q=") || parameters.size() > 7) {
    return 0;
  }
  parameters.remove_prefix(2);
  int value = 0;
  int scale = 1000;
  bool fraction = false;
  for (const char c : parameters) {
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (c >= '0' && c <= '9') {
      scale = fraction ? scale / 10 : scale;
      value = fraction ? value + (c - '0') * scale : (c - '0') * 1000;
    } else {
      return 0;
    }
  }
  return value;
}

bool is_language(std::string_view tag, std::string_view language) {
  return wire::iequals(tag.substr(0, 2), language) && (tag.size() == 2 || tag[2] == '-');
}

std::string csp_hash(std::string_view text) {
  return "'sha256-" + base64_encode(crypto::sha256(as_bytes(text))) + "'";
}

}  // namespace

Language language_of(const wire::HttpFields& fields) {
  const std::string* field = fields.find("Accept-Language");
  std::string_view rest = field == nullptr ? std::string_view() : *field;
  rest = rest.substr(0, kMaxField);
  int english = 0;
  int japanese = 0;
  for (std::size_t i = 0; i < kMaxEntries && !rest.empty(); ++i) {
    const std::size_t comma = rest.find(',');
    const std::string_view entry = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const std::size_t semicolon = entry.find(';');
    const std::string_view tag = trim(entry.substr(0, semicolon));
    // Among equals the first one counts.
    const int weight =
        weight_of(semicolon == std::string_view::npos ? std::string_view()
                                                      : entry.substr(semicolon + 1)) *
            static_cast<int>(kMaxEntries) -
        static_cast<int>(i);
    if (is_language(tag, "en")) {
      english = std::max(english, weight);
    } else if (is_language(tag, "ja")) {
      japanese = std::max(japanese, weight);
    }
  }
  return japanese > english ? Language::kJapanese : Language::kEnglish;
}

Answer make_page(const PageParts& parts, Language language) {
  Answer answer;
  answer.status = parts.status;
  answer.fields.add("Content-Type", "text/html; charset=utf-8");
  answer.fields.add("Cache-Control", "no-store");
  answer.fields.add("Vary", "Accept-Language");
  // Not "no-referrer": with it a form's Origin would be "null".
  answer.fields.add("Referrer-Policy", "same-origin");
  answer.fields.add("Cross-Origin-Opener-Policy", "same-origin");
  std::string policy = "default-src 'none'; style-src " + csp_hash(kPageStyle) +
                       "; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action " +
                       (parts.has_forms ? "'self'" : "'none'");
  if (!parts.script.empty()) {
    policy += "; connect-src 'self'; script-src " + csp_hash(parts.script);
  }
  answer.fields.add("Content-Security-Policy", policy);
  answer.body = language == Language::kJapanese ? "<!doctype html><html lang=\"ja\">"
                                                : "<!doctype html><html lang=\"en\">";
  answer.body.append(
      "<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>");
  answer.body.append(parts.title.in(language)).append("</title><link rel=\"icon\" href=\"");
  answer.body.append(kPageIcon).append("\"><style>").append(kPageStyle);
  answer.body.append("</style><main>").append(parts.body).append("</main>");
  if (!parts.script.empty()) {
    answer.body.append("<script>").append(parts.script).append("</script>");
  }
  answer.body.append("</html>\n");
  return answer;
}

bool wants_document(const wire::HttpRequestHead& head) {
  const std::string* mode = head.fields.find("Sec-Fetch-Mode");
  const std::string* destination = head.fields.find("Sec-Fetch-Dest");
  return mode != nullptr && *mode == "navigate" &&
         (destination == nullptr || *destination == "document");
}

}  // namespace latchkey::front
