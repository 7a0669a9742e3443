// One publication in the making. Private to src/provider.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attest/metadata.h"
#include "attest/trust.h"
#include "crypto/hash.h"
#include "provider/publisher.h"

namespace latchkey::provider {

// What becomes of one table: `changes` to `base`, or, where `whole`, all its records.
struct Collected {
  bool whole = false;
  Shelf::Held base;
  std::vector<attest::Change> changes;  // in ascending order of keys
};

struct Publisher::Step {
  Step(std::uint64_t no, WallTime at) : now(at) {
    metadata.no = no;
    metadata.published = at;
  }
  Collected& table(attest::TableKind kind) { return tables.at(static_cast<std::size_t>(kind) - 1); }
  WallTime now;
  attest::Metadata metadata;
  std::optional<attest::Metadata> before;
  std::uint64_t before_seq = 0;
  std::uint64_t seq = 0;
  std::size_t subjects = 0;
  std::vector<attest::Aaguid> changed_models;  // newest first; empty where all are collected
  std::array<Collected, attest::kTableKinds> tables;
};

// Names of files: by their contents, so that none is ever written over with something else.
std::string content_name(attest::TableKind kind, const Digest256& hash);
std::string delta_name(attest::TableKind kind, const attest::Delta& delta);
// Whether a file is one of ours, or a draft that was left behind: what cleaning may remove.
bool is_published_name(std::string_view name);

// Whether changes of this kind are published ("origin.status"), or are the operator's own.
bool is_published_subject(std::string_view action);

void sort_by_key(std::vector<attest::Change>& changes);
// `older`, then `newer` where both name a key.
std::vector<attest::Change> on_top(std::vector<attest::Change> older,
                                   const std::vector<attest::Change>& newer);
// What leads from one table on the shelf to another; nothing where the first is not there. Reads
// both: for the small ones.
std::optional<std::vector<attest::Change>> difference(Shelf& shelf, const attest::TableFile& from,
                                                      const attest::TableFile& to,
                                                      attest::TableKind kind);

}  // namespace latchkey::provider
