#include "grant/unconfirmed.h"

#include <algorithm>
#include <optional>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "crypto/x509.h"

namespace latchkey::grant {
namespace {

constexpr std::string_view kKey = "key ";
constexpr std::string_view kAuthority = "authority ";

template <class T>
void add(std::vector<T>& list, const T& one) {
  if (std::find(list.begin(), list.end(), one) != list.end()) {
    return;
  }
  if (list.size() == kMaxUnconfirmed) {
    list.erase(list.begin());
  }
  list.push_back(one);
}

std::optional<SpkiHash> key_of(const Bytes& leaf) {
  if (leaf.empty()) {
    return std::nullopt;
  }
  const auto key = crypto::certificate_key(leaf);
  return key ? std::optional(key->spki_hash()) : std::nullopt;
}

}  // namespace

Unconfirmed carry_over(Unconfirmed so_far, const AgentGrant& before, const AgentGrant& after) {
  const bool same = before.leaf == after.leaf && before.ca_certificate == after.ca_certificate;
  if (same && after.renew_at > before.renew_at) {
    return {};
  }
  const auto key = key_of(before.leaf);
  if (key && key != key_of(after.leaf)) {
    add(so_far.keys, *key);
  }
  if (before.ca_certificate != after.ca_certificate) {
    add(so_far.authorities, crypto::sha256(before.ca_certificate));
  }
  return so_far;
}

std::string encode(const Unconfirmed& unconfirmed) {
  std::string text;
  for (const SpkiHash& key : unconfirmed.keys) {
    text += std::string(kKey) + key.hex() + "\n";
  }
  for (const Digest256& authority : unconfirmed.authorities) {
    text += std::string(kAuthority) + hex_encode(authority) + "\n";
  }
  return text;
}

Unconfirmed decode_unconfirmed(std::string_view text) {
  Unconfirmed unconfirmed;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with(kKey)) {
      if (const auto key = SpkiHash::parse(line.substr(kKey.size()))) {
        add(unconfirmed.keys, *key);
      }
    } else if (line.starts_with(kAuthority)) {
      const auto bytes = hex_decode(line.substr(kAuthority.size()), sizeof(Digest256));
      if (const auto digest = bytes ? to_array<sizeof(Digest256)>(*bytes) : std::nullopt) {
        add(unconfirmed.authorities, *digest);
      }
    }
  }
  return unconfirmed;
}

}  // namespace latchkey::grant
