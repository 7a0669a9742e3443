#include "base/host_name.h"

#include <algorithm>
#include <utility>

namespace latchkey {
namespace {

constexpr std::string_view kSuffix = ".local";
constexpr std::size_t kTagLength = 12;
constexpr std::size_t kMaxSlug = 40;
constexpr std::size_t kMaxType = 32;

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool is_tag_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), is_label_character) &&
         !(label.size() >= 4 && label.substr(2, 2) == "--");
}

bool looks_pairwise(std::string_view label) {
  if (label.size() < kTagLength + 2 || label[label.size() - kTagLength - 1] != '-') {
    return false;
  }
  const std::string_view tag = label.substr(label.size() - kTagLength);
  return std::all_of(tag.begin(), tag.end(), is_tag_character);
}

}  // namespace

std::optional<HostName> HostName::parse(std::string_view text) {
  if (text.size() > 63 + kSuffix.size() || !text.ends_with(kSuffix)) {
    return std::nullopt;
  }
  if (!is_label(text.substr(0, text.size() - kSuffix.size()))) {
    return std::nullopt;
  }
  return HostName(std::string(text));
}

std::optional<HostName> HostName::pairwise(std::string_view type, std::string_view tag) {
  if (!is_device_type(type) || tag.size() != kTagLength ||
      !std::all_of(tag.begin(), tag.end(), is_tag_character)) {
    return std::nullopt;
  }
  return parse(std::string(type) + "-" + std::string(tag) + std::string(kSuffix));
}

std::optional<HostName> HostName::direct(std::string_view slug) {
  if (slug.size() > kMaxSlug || looks_pairwise(slug) || slug == "localhost") {
    return std::nullopt;
  }
  return parse(std::string(slug) + std::string(kSuffix));
}

std::string_view HostName::label() const {
  return std::string_view(text_).substr(0, text_.size() - kSuffix.size());
}

bool HostName::has_pairwise_shape() const {
  return looks_pairwise(label());
}

bool is_device_type(std::string_view text) {
  return text.size() <= kMaxType && is_label(text) && text.find("--") == std::string_view::npos;
}

}  // namespace latchkey
