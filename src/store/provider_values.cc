#include "store/provider_values.h"

#include <algorithm>

namespace latchkey::store {

using provider::ErrorCode;

Origin origin_of(const std::string& text) {
  auto origin = Origin::parse(text);
  if (!origin) {
    refuse(ErrorCode::kInternal, "the database holds an origin that is none: " + text);
  }
  return std::move(*origin);
}

attest::OriginStatus origin_status_of(int number) {
  if (number < static_cast<int>(attest::OriginStatus::kActive) ||
      number > static_cast<int>(attest::OriginStatus::kRevoked)) {
    refuse(ErrorCode::kInternal, "the database holds a status that is none");
  }
  return static_cast<attest::OriginStatus>(number);
}

attest::ModelStatus model_status_of(int number) {
  if (number < static_cast<int>(attest::ModelStatus::kNotCertified) ||
      number > static_cast<int>(attest::ModelStatus::kRevoked)) {
    refuse(ErrorCode::kInternal, "the database holds a status that is none");
  }
  return static_cast<attest::ModelStatus>(number);
}

std::string join_digests(const std::vector<Digest256>& digests) {
  std::string text;
  for (const Digest256& digest : digests) {
    text += (text.empty() ? "" : " ") + hex_encode(digest);
  }
  return text;
}

std::vector<Digest256> split_digests(const std::string& text) {
  constexpr std::size_t kDigits = 64;
  std::vector<Digest256> digests;
  for (std::size_t at = 0; at < text.size(); at += kDigits + 1) {
    const auto bytes = hex_decode(std::string_view(text).substr(at, kDigits), kDigits / 2);
    const auto digest = bytes ? to_array<kDigits / 2>(*bytes) : std::nullopt;
    if (!digest) {
      refuse(ErrorCode::kInternal, "the database holds a digest that is none");
    }
    digests.push_back(*digest);
  }
  return digests;
}

int page_size(const provider::Page& page) {
  if (page.limit < 1 || page.limit > kMaxPage || page.after.size() > 400) {
    refuse(ErrorCode::kInvalid, "a page has 1 to 1000 lines");
  }
  return static_cast<int>(page.limit);
}

}  // namespace latchkey::store
