// What notices that a whole store was replaced by an older copy of itself: a number outside of the
// store, as high as the store's own generation ever was (docs/adr). It is raised after each change
// of the store, so that after a power cut the store may be ahead of it, and never behind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "store/error.h"

namespace latchkey::store {

class Witness {
 public:
  virtual ~Witness() = default;
  // Nothing: there is none. kCorrupt: what is there is not a witness.
  virtual Result<std::optional<std::uint64_t>> highest() = 0;
  // Durable when it returns.
  virtual Result<void> raise(std::uint64_t generation) = 0;
};

// In a file of mode 0600, in a folder of mode 0700 that is made where it is missing.
class FileWitness final : public Witness {
 public:
  explicit FileWitness(std::filesystem::path path) : path_(std::move(path)) {}
  Result<std::optional<std::uint64_t>> highest() override;
  Result<void> raise(std::uint64_t generation) override;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool has_folder_ = false;
};

enum class Standing {
  kCurrent,     // as new as it ever was
  kRolledBack,  // older than the witness has seen it
  kUnknown,     // the witness is gone, or cannot be read: nobody can say
};

}  // namespace latchkey::store
