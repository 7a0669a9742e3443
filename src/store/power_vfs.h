// A file layer for SQLite that loses power: it lets everything through to the disk, and remembers
// what was synced and what was not. Tests only.
//
// What the real layer does and this one models: a write or a change of size is certain after a sync
// of that file; a new journal's name after the first sync of the journal; a removed name after a
// removal that asks for the folder to be synced. Everything else may happen, or not, or in part (by
// sectors of 512 bytes), in any order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace latchkey::store::testing {

class PowerCutDisk {
 public:
  // Registers the layer with SQLite under vfs(); one disk at a time.
  PowerCutDisk();
  ~PowerCutDisk();
  PowerCutDisk(const PowerCutDisk&) = delete;
  PowerCutDisk& operator=(const PowerCutDisk&) = delete;
  [[nodiscard]] static const char* vfs() { return "latchkey-power-cut"; }

  enum class AtTheEnd {
    kPowerFails,  // this and every later change of the disk fails
    kProcessDies  // by SIGKILL
  };
  // `point`: which change of the disk (write, resize, sync, removal; the first is 0) is the end.
  void end_at(std::size_t point, AtTheEnd how);
  [[nodiscard]] std::size_t points() const { return points_; }
  [[nodiscard]] bool ended() const { return ended_; }

  // Puts on the real disk what may be found there when power comes back.
  // kPrefix: in the order in which it was written, the first part of it, up to somewhere inside one
  // write; what came later is lost.
  enum class Unsynced { kLost, kKept, kMixed, kPrefix };
  void restore(Unsynced what, unsigned seed);

  // --- called by the layer ---
  // False: there is no power.
  bool change();
  void opened(const std::string& path);
  void written(const std::string& path, std::size_t offset, ByteSpan bytes);
  void resized(const std::string& path, std::size_t size);
  void synced(const std::string& path);
  void removed(const std::string& path, bool folder_synced);

 private:
  struct Write {
    std::size_t offset;
    Bytes bytes;
  };
  struct Change {
    std::size_t number;                     // the point at which it was made
    std::variant<Write, std::size_t> what;  // std::size_t: a new size
  };
  struct File {
    Bytes durable;
    bool named = false;    // the name is durable
    bool removed = false;  // not durably
    std::vector<Change> changes;
  };
  static void apply(Bytes& image, const Change& change);
  static void apply_in_part(Bytes& image, const Change& change, std::mt19937& dice);
  // The first sectors of it.
  static void apply_begun(Bytes& image, const Change& change, std::mt19937& dice);
  std::map<std::string, File> files_;
  std::size_t points_ = 0;
  std::size_t end_ = SIZE_MAX;
  AtTheEnd how_ = AtTheEnd::kPowerFails;
  bool ended_ = false;
};

}  // namespace latchkey::store::testing
