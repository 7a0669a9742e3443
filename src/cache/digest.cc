#include "cache/digest.h"

#include <algorithm>

#include "base/encoding.h"

namespace latchkey::cache {

namespace {

constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxDigest = 64;  // SHA-512's

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

bool is_key_character(char c, bool first) {
  const bool letter = (c >= 'a' && c <= 'z') || c == '*';
  return letter || (!first && ((c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'));
}

// Takes `key=:base64:` (RFC 8941 sections 3.2 and 3.3.5) off the front.
struct Member {
  std::string_view key;
  Bytes value;
};
std::optional<Member> take_member(std::string_view& text) {
  Member member;
  std::size_t size = 0;
  while (size < text.size() && is_key_character(text[size], size == 0)) {
    ++size;
  }
  member.key = text.substr(0, size);
  text.remove_prefix(size);
  if (size == 0 || !text.starts_with("=:")) {
    return std::nullopt;
  }
  text.remove_prefix(2);
  const std::size_t end = text.find(':');
  auto value = base64_decode(text.substr(0, end), kMaxDigest);
  if (end == std::string_view::npos || !value) {
    return std::nullopt;
  }
  text.remove_prefix(end + 1);
  member.value = *std::move(value);
  return member;
}

}  // namespace

SaidDigest read_digest(const wire::HttpFields& fields, std::string_view name) {
  const SaidDigest broken{SaidDigest::Kind::kBroken, {}};
  std::string all;
  for (const wire::HttpField& field : fields.all()) {
    if (wire::iequals(field.name, name)) {
      all.append(all.empty() ? "" : ",").append(field.value);
    }
  }
  if (all.size() > kMaxText) {
    return broken;
  }
  SaidDigest said;
  std::string_view text(all);
  skip_blanks(text);
  while (!text.empty()) {
    const auto member = take_member(text);
    if (!member) {
      return broken;
    }
    if (member->key == "sha-256") {
      const auto value = to_array<32>(member->value);
      if (!value || said.kind == SaidDigest::Kind::kSha256) {
        return broken;
      }
      said = {SaidDigest::Kind::kSha256, *value};
    }
    skip_blanks(text);
    if (text.empty()) {
      break;
    }
    if (!text.starts_with(',')) {
      return broken;
    }
    text.remove_prefix(1);
    skip_blanks(text);
    if (text.empty()) {
      return broken;  // a list does not end in a comma
    }
  }
  return said;
}

std::string digest_value(const Digest256& digest) {
  return "sha-256=:" + base64_encode(digest) + ":";
}

}  // namespace latchkey::cache
