// Values of a provider as columns, and back. What a column holds that no such value can be is
// kInternal: somebody else wrote it. Internal to src/store.
#pragma once

#include <string>
#include <string_view>

#include "provider/records.h"
#include "store/provider_database.h"

namespace latchkey::store {

// Limits of the columns. The rules that a provider has are in src/provider and narrower.
inline constexpr std::size_t kMaxName = 128;
inline constexpr std::size_t kMaxContact = 300;
inline constexpr std::size_t kMaxIcon = 1000;
inline constexpr std::size_t kMaxReason = 300;
inline constexpr std::size_t kMaxRoots = 16;
inline constexpr std::size_t kMaxRootBytes = 8192;
inline constexpr std::size_t kMaxPage = 1000;
// Rows that are fetched at a time where everything is read.
inline constexpr int kSweep = 20000;

template <class Id>
Id id_of(const std::string& hex) {
  const auto id = Id::parse(hex);
  if (!id) {
    refuse(provider::ErrorCode::kInternal, "the database holds an id that is none: " + hex);
  }
  return *id;
}
Origin origin_of(const std::string& text);
attest::OriginStatus origin_status_of(int number);
attest::ModelStatus model_status_of(int number);
std::string join_digests(const std::vector<Digest256>& digests);
std::vector<Digest256> split_digests(const std::string& text);
int page_size(const provider::Page& page);

// The length of a vector that SOCI is to fill with up to `rows` rows: never 1, which it takes for
// something else than a vector (no row gives one of zeros, one row gives none).
inline std::size_t room_for(int rows) {
  return rows < 2 ? 2 : static_cast<std::size_t>(rows);
}

}  // namespace latchkey::store
